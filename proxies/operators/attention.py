"""Softmax attention; see `genomes.operators.attention`."""

import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Hidden, Keys, Position, Queries, State, Values
from proxies.kernels.attention import cached_attention, causal_attention, naive_attention, visible
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.kernels.rotary import naive_rotate, rotate
from proxies.operators.base import OperatorModule, constant, fan_in


class Attention(OperatorModule):
    """Grouped-query attention. Its state holds keys (rotated) and values; a window's is a ring."""

    def setup(self) -> None:
        """Create the weights."""
        self.q, self.k, self.v = self.weight("q"), self.weight("k"), self.weight("v")
        self.out = self.weight("out", fan_in(self.residual_scale))
        if self.spec.qk_norm:
            self.q_norm, self.k_norm = self.weight("q_norm", constant(1)), self.weight("k_norm", constant(1))

    def _project(self, x: Hidden) -> tuple[Queries, Keys, Values]:
        def heads(weight: Array) -> Array:
            return project(x, weight).reshape(*x.shape[:2], -1, self.spec.head_dim)

        q, k, v = heads(self.q), heads(self.k), heads(self.v)
        if self.spec.qk_norm:
            q, k = rms_norm(q, self.q_norm, self.norm_eps), rms_norm(k, self.k_norm, self.norm_eps)
        return q, k, v

    def _rotated(self, x: Hidden, position: Position) -> tuple[Queries, Keys, Values]:
        q, k, v = self._project(x)
        if self.spec.rope_theta is not None:
            positions = position + jnp.arange(x.shape[1])
            q, k = (rotate(z, positions, self.spec.rope_theta) for z in (q, k))
        return q, k, v

    def _merge(self, mixed: Array) -> Hidden:
        return project(mixed.reshape(*mixed.shape[:2], -1), self.out)

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens, the upper triangle skipped."""
        return self._merge(causal_attention(*self._rotated(x, 0), self.spec.window))

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Write keys and values into the cache, attend over it."""
        q, k, v = self._rotated(x, position)
        tokens, slots, window = x.shape[1], state["k"].shape[1], self.spec.window
        last = position + tokens - 1
        queries = position + jnp.arange(tokens)
        if window is None or tokens == 1:
            state = {"k": _write(state["k"], k, position), "v": _write(state["v"], v, position)}
            seen = visible(queries, _positions(slots, last), window)
            return self._merge(cached_attention(q, state["k"], state["v"], seen)), state
        # New tokens may push out slots that earlier new tokens still see: attend first, then write.
        keys, values = (jnp.concatenate([state[n], new], axis=1) for n, new in (("k", k), ("v", v)))
        positions = jnp.concatenate([_positions(slots, position - 1), queries])
        mixed = cached_attention(q, keys, values, visible(queries, positions, window))
        kept = min(tokens, slots)
        ring = (last - kept + 1 + jnp.arange(kept)) % slots
        state = {
            "k": state["k"].at[:, ring].set(k[:, -kept:]),
            "v": state["v"].at[:, ring].set(v[:, -kept:]),
        }
        return self._merge(mixed), state

    def reference(self, x: Hidden) -> Hidden:
        """One query and one head at a time, positions as complex rotations."""
        q, k, v = self._project(x)
        if self.spec.rope_theta is not None:
            q, k = naive_rotate(q, self.spec.rope_theta), naive_rotate(k, self.spec.rope_theta)
        return self._merge(naive_attention(q, k, v, self.spec.window))


def _positions(slots: int, last: Position) -> Array:
    """The position whose key each slot of a ring holds when `last` was written last; negative if none."""
    return last - (last - jnp.arange(slots)) % slots


def _write(cache: Array, new: Array, position: Position) -> Array:
    return lax.dynamic_update_slice_in_dim(cache, new.astype(cache.dtype), position % cache.shape[1], axis=1)
