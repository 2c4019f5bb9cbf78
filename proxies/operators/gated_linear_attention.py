"""Gated linear attention; see `genomes.operators.gated_linear_attention`."""

import jax
import jax.numpy as jnp

from proxies.axes import Array, Features, Hidden, Position, State
from proxies.kernels.gated_state import (
    MIN_LOG_DECAY,
    channel_decay,
    naive_gated_state,
    next_state,
    readout,
)
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators.base import NOTHING, OperatorModule, Shared, constant, fan_in

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

    def _heads(self, z: Array) -> Array:
        return z.reshape(*z.shape[:2], self.spec.heads, -1)

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """Keys `k`, values `v` and `log_decay` of each key channel, as far as they are its own."""
        del position, state
        features: Features = {}
        if self.k is not None:
            features["k"] = self._heads(project(x, self.k))
        if self.v is not None:
            features["v"] = self._heads(project(x, self.v))
        if self.decay_down is not None:
            decay = project(project(x, self.decay_down), self.decay_up) + self.decay_bias
            log_decay = jnp.maximum(jax.nn.log_sigmoid(decay) / TEMPERATURE, MIN_LOG_DECAY)
            features["log_decay"] = self._heads(log_decay)
        return features

    def _inputs(self, x: Hidden, shared: Features) -> tuple[Array, Array, Array, Array]:
        q = self._heads(project(x, self.q)) * self.spec.key_dim**-0.5
        found = self.features(x) | shared
        return q, found["k"], found["v"], found["log_decay"]

    def _merge(self, x: Hidden, o: Array) -> Hidden:
        normed = rms_norm(o, self.norm, self.norm_eps).reshape(*x.shape[:2], -1)
        return project(normed * jax.nn.silu(project(x, self.gate)), self.out)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, in chunks."""
        return self._merge(x, channel_decay(*self._inputs(x, shared or {}))[0])

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        del position
        inputs = self._inputs(x, shared.features)
        before = shared.before["s"] if "s" in shared.before else state["s"]
        if x.shape[1] > 1:
            o, s = channel_decay(*inputs, before)
        else:
            q, k, v, log_decay = (z[:, 0] for z in inputs)
            s = shared.after.get("s", next_state(k, v, log_decay, before))
            o = readout(q, s)[:, None]
        return self._merge(x, o), dict.fromkeys(state, s)

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._merge(x, naive_gated_state(*self._inputs(x, {})))
