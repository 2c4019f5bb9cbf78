"""Gated linear attention; see `genomes.operators.gated_linear_attention`."""

import jax
import jax.numpy as jnp

from proxies.axes import Array, Hidden, Position, State
from proxies.kernels.gated_state import MIN_LOG_DECAY, channel_decay, naive_gated_state, one_token
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators.base import OperatorModule, constant, fan_in

TEMPERATURE = 16.0
"""Root taken of the decay's sigmoid (arXiv 2312.06635, section 4.4)."""


class GatedLinearAttention(OperatorModule):
    """Its state holds one matrix a head."""

    def setup(self) -> None:
        """Create the weights."""
        self.q, self.k, self.v = self.weight("q"), self.weight("k"), self.weight("v")
        self.decay_down, self.decay_up = self.weight("decay_down"), self.weight("decay_up")
        self.decay_bias = self.weight("decay_bias", constant(0))
        self.gate, self.norm = self.weight("gate"), self.weight("norm", constant(1))
        self.out = self.weight("out", fan_in(self.residual_scale))

    def _project(self, x: Hidden) -> tuple[Array, Array, Array, Array]:
        def heads(z: Array) -> Array:
            return z.reshape(*x.shape[:2], self.spec.heads, -1)

        q, k, v = (heads(project(x, weight)) for weight in (self.q, self.k, self.v))
        decay = project(project(x, self.decay_down), self.decay_up) + self.decay_bias
        log_decay = jnp.maximum(jax.nn.log_sigmoid(decay) / TEMPERATURE, MIN_LOG_DECAY)
        return q * self.spec.key_dim**-0.5, k, v, heads(log_decay)

    def _merge(self, x: Hidden, o: Array) -> Hidden:
        normed = rms_norm(o, self.norm, self.norm_eps).reshape(*x.shape[:2], -1)
        return project(normed * jax.nn.silu(project(x, self.gate)), self.out)

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens, in chunks."""
        return self._merge(x, channel_decay(*self._project(x))[0])

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        del position
        inputs = self._project(x)
        if x.shape[1] > 1:
            o, s = channel_decay(*inputs, state["s"])
        else:
            q, k, v, log_decay = (z[:, 0] for z in inputs)
            o, s = one_token(q, k, v, log_decay, state["s"])
            o = o[:, None]
        return self._merge(x, o), {"s": s}

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._merge(x, naive_gated_state(*self._project(x)))
