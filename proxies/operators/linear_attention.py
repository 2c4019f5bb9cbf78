"""Linear attention; see `genomes.operators.linear_attention`."""

import jax.numpy as jnp

from proxies.axes import Array, Features, Float, Hidden, Position, State
from proxies.kernels.gated_state import head_decay, next_state, readout
from proxies.kernels.project import project
from proxies.operators.base import NOTHING, OperatorModule, Shared, fan_in


class LinearAttention(OperatorModule):
    """Its state holds one matrix a head: a value of 1 beside the others makes its last column the normaliser.

    States sum over all tokens, so they are kept in float32, whatever goes in.
    """

    def setup(self) -> None:
        """Create the weights."""
        self.q, self.k, self.v = self.weight("q"), self.weight("k"), self.weight("v")
        self.out = self.weight("out", fan_in(self.residual_scale))

    def _heads(self, z: Array) -> Array:
        return z.reshape(*z.shape[:2], self.spec.heads, -1)

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """Positive keys `k` and values `v`, as far as they are its own."""
        del position, state
        features: Features = {}
        if self.k is not None:
            features["k"] = positive(self._heads(project(x, self.k)))
        if self.v is not None:
            features["v"] = self._heads(project(x, self.v))
        return features

    def _inputs(self, x: Hidden, shared: Features) -> tuple[Array, Array, Array]:
        features = self.features(x) | shared
        q, k, v = positive(self._heads(project(x, self.q))), features["k"], features["v"]
        q, k, v = (z.astype(jnp.float32) for z in (q, k, v))
        return q, k, jnp.concatenate([v, jnp.ones_like(v[..., :1])], axis=-1)

    def _merge(self, x: Hidden, o: Float[Array, "B T H V1"]) -> Hidden:
        mixed = (o[..., :-1] / (o[..., -1:] + self.spec.NORMALISER_EPS)).astype(x.dtype)
        return project(mixed.reshape(*x.shape[:2], -1), self.out)

    def _mix(self, inputs: tuple[Array, Array, Array], s0: Array | None = None) -> tuple[Array, Array]:
        return head_decay(*inputs, jnp.zeros(inputs[0].shape[:3]), s0)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, in chunks."""
        return self._merge(x, self._mix(self._inputs(x, shared or {}))[0])

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        del position
        inputs = self._inputs(x, shared.features)
        before = {**state, **shared.before}["s"]
        if x.shape[1] > 1:
            o, s = self._mix(inputs, before.astype(jnp.float32))
        else:
            q, k, v = (z[:, 0] for z in inputs)
            s = shared.after["s"] if "s" in shared.after else next_state(k, v, jnp.zeros_like(k), before)
            o = readout(q, s)[:, None]
        return self._merge(x, o), {name: s.astype(before.dtype) for name in state}

    def reference(self, x: Hidden) -> Hidden:
        """As attention: every pair of tokens weighted by its kernel."""
        q, k, v = self._inputs(x, {})
        weights = jnp.tril(jnp.einsum("bthk,bshk->bhts", q, k))
        return self._merge(x, jnp.einsum("bhts,bshv->bthv", weights, v))


def positive(z: Array) -> Array:
    """`elu(z) + 1`, keeping the digits of small values."""
    return jnp.where(z > 0, z + 1, jnp.exp(jnp.minimum(z, 0)))
