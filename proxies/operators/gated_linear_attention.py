"""Gated linear attention; see `genomes.operators.gated_linear_attention`."""

import jax
import jax.numpy as jnp

from proxies.axes import Array, Features, HeadStates, Hidden, Position, State
from proxies.kernels.gated_state import channel_decay, naive_gated_state, next_state, readout
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators.base import NOTHING, OperatorModule, Shared, constant, fan_in


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
            log_decay = jax.nn.log_sigmoid(decay) / self.spec.TEMPERATURE
            features["log_decay"] = self._heads(jnp.maximum(log_decay, self.spec.LEAST_LOG_DECAY))
        return features

    def _inputs(self, x: Hidden, shared: Features) -> tuple[Array, Array, Array, Array]:
        q = self._heads(project(x, self.q)) * self.spec.key_dim**-0.5
        features = self.features(x) | shared
        return q, features["k"], features["v"], features["log_decay"]

    def _mix(
        self, inputs: tuple[Array, Array, Array, Array], s0: HeadStates | None = None
    ) -> tuple[Array, HeadStates]:
        return channel_decay(*inputs, s0, least_log_decay=self.spec.LEAST_LOG_DECAY)

    def _merge(self, x: Hidden, o: Array) -> Hidden:
        normed = rms_norm(o, self.norm, self.norm_eps).reshape(*x.shape[:2], -1)
        return project(normed * jax.nn.silu(project(x, self.gate)), self.out)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, in chunks."""
        return self._merge(x, self._mix(self._inputs(x, shared or {}))[0])

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        del position
        inputs = self._inputs(x, shared.features)
        before = shared.before["s"] if "s" in shared.before else state["s"]
        if x.shape[1] > 1:
            o, s = self._mix(inputs, before)
        else:
            q, k, v, log_decay = (z[:, 0] for z in inputs)
            s = shared.after.get("s", next_state(k, v, log_decay, before))
            o = readout(q, s)[:, None]
        return self._merge(x, o), dict.fromkeys(state, s)

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._merge(x, naive_gated_state(*self._inputs(x, {})))
