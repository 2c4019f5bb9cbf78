"""Softmax attention; see `genomes.operators.attention`."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Features, Hidden, Position, Queries, State
from proxies.kernels.attention import cached_attention, causal_attention, naive_attention, visible
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.kernels.rotary import naive_rotate, rotate
from proxies.operators.base import (
    NOTHING,
    Convolve,
    OperatorModule,
    Rotate,
    Shared,
    constant,
    fan_in,
    normal,
    taps,
)

LAMBDA_STD = 0.1
"""Initial standard deviation of the vectors that give lambda (arXiv 2410.05258, section 2.1)."""


class Attention(OperatorModule):
    """Grouped-query attention. Its state holds keys (rotated) and values; a window's is a ring.

    In the differential form a head has two keys, its halves, and `H` counts halves: first those of all
    heads, then the second ones.
    """

    exempt: ClassVar[frozenset[str]] = frozenset({"q_conv", "k_conv", "v_conv", "lambda_q", "lambda_k"})

    def setup(self) -> None:
        """Create the weights."""
        spec = self.spec
        self.q, self.k, self.v = self.weight("q"), self.weight("k"), self.weight("v")
        self.out = self.weight("out", fan_in(self.residual_scale))
        if spec.qk_norm:
            self.q_norm, self.k_norm = self.weight("q_norm", constant(1)), self.weight("k_norm", constant(1))
        if spec.conv is not None:
            self.q_conv, self.k_conv, self.v_conv = (self.weight(f"{n}_conv", taps()) for n in "qkv")
        if spec.gated:
            self.gate = self.weight("gate")
        if spec.differential:
            self.lambda_q = self.weight("lambda_q", normal(LAMBDA_STD))
            self.lambda_k = self.weight("lambda_k", normal(LAMBDA_STD))
            self.head_norm = self.weight("head_norm", constant(1))
        if spec.out_bias:
            self.out_bias = self.weight("out_bias", constant(0))

    def _heads(self, name: str, z: Array, state: State | None, convolve: Convolve) -> Array:
        """A projection convolved and split: `B T (heads) K`, the halves of heads as heads of their own."""
        if self.spec.conv is not None:
            past = None if state is None else state.get(f"{name}_conv")
            z = convolve(z, getattr(self, f"{name}_conv"), past)
        if not self.spec.differential or name == "v":
            return z.reshape(*z.shape[:2], -1, self.spec.head_dim)
        halves = z.reshape(*z.shape[:2], -1, 2, self.spec.key_dim)
        return halves.swapaxes(2, 3).reshape(*z.shape[:2], -1, self.spec.key_dim)

    def _queries(
        self, x: Hidden, turn: Rotate, state: State | None, convolve: Convolve = causal_conv
    ) -> Queries:
        q = self._heads("q", project(x, self.q), state, convolve)
        q = turn(rms_norm(q, self.q_norm, self.norm_eps) if self.spec.qk_norm else q)
        scale = self.spec.score_scale  # in place of the kernels' own
        return q if scale is None else q * (scale * self.spec.key_dim**0.5)

    def _keys_and_values(
        self, x: Hidden, turn: Rotate, state: State | None, convolve: Convolve = causal_conv
    ) -> Features:
        features: Features = {}
        if self.k is not None:
            k = self._heads("k", project(x, self.k), state, convolve)
            features["k"] = turn(rms_norm(k, self.k_norm, self.norm_eps) if self.spec.qk_norm else k)
        if self.v is not None:
            features["v"] = self._heads("v", project(x, self.v), state, convolve)
        return features

    def _turn(self, tokens: int, position: Position) -> Rotate:
        if self.spec.rope_theta is None:
            return lambda z: z
        positions = position + jnp.arange(tokens)
        return lambda z: rotate(z, positions, self.spec.rope_theta, self.spec.rotary_dim)

    def _paired(self, v: Array) -> Array:
        """Values as each half of the heads reads them."""
        return jnp.concatenate([v, v], axis=2) if self.spec.differential else v

    def _merge(self, x: Hidden, mixed: Array) -> Hidden:
        if self.spec.differential:
            first, second = jnp.split(mixed, 2, axis=2)
            weight = jnp.exp((self.lambda_q * self.lambda_k).sum(-1))
            between = weight[0] - weight[1] + self.spec.lambda_init
            mixed = rms_norm(first - between * second, self.head_norm, self.norm_eps)
            mixed = mixed * (1 - self.spec.lambda_init)
        mixed = mixed.reshape(*mixed.shape[:2], -1)
        if self.spec.gated:
            mixed = mixed * jax.nn.sigmoid(project(x, self.gate))
        y = project(mixed, self.out)
        return y + self.out_bias if self.spec.out_bias else y

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """Keys `k` (rotated) and values `v`, as far as they are its own."""
        return self._keys_and_values(x, self._turn(x.shape[1], position), state)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, the upper triangle skipped."""
        q = self._queries(x, self._turn(x.shape[1], 0), None)
        features = self.features(x) | (shared or {})
        values = self._paired(features["v"])
        return self._merge(x, causal_attention(q, features["k"], values, self.spec.window))

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """Write keys and values into the cache, attend over it."""
        tokens, window = x.shape[1], self.spec.window
        q = self._queries(x, self._turn(tokens, position), state)
        new = self.features(x, position, state) | shared.features
        before = {**state, **shared.before}
        last, queries = position + tokens - 1, position + jnp.arange(tokens)
        slots = before["k"].shape[1]
        if window is None or tokens == 1:
            after = {n: shared.after.get(n, _write(before[n], new[n], position)) for n in ("k", "v")}
            keys, values, positions = after["k"], after["v"], _positions(slots, last)
        else:
            # New tokens may push out slots that earlier new tokens still see: attend first, then write.
            keys, values = (jnp.concatenate([before[n], new[n]], axis=1) for n in ("k", "v"))
            positions = jnp.concatenate([_positions(slots, position - 1), queries])
            kept = min(tokens, slots)
            ring = (last - kept + 1 + jnp.arange(kept)) % slots
            after = {n: before[n].at[:, ring].set(new[n][:, -kept:]) for n in ("k", "v")}
        mixed = cached_attention(q, keys, self._paired(values), visible(queries, positions, window))
        after |= self._conv_states(x, state)
        return self._merge(x, mixed), {name: after[name] for name in state}

    def _conv_states(self, x: Hidden, state: State) -> State:
        return {
            name: conv_state(project(x, getattr(self, name[0])), state[name])
            for name in state
            if name.endswith("_conv")
        }

    def reference(self, x: Hidden) -> Hidden:
        """One query and one head at a time, positions as complex rotations."""

        def turn(z: Array) -> Array:
            theta = self.spec.rope_theta
            return z if theta is None else naive_rotate(z, theta, self.spec.rotary_dim)

        def convolve(z: Array, kernel: Array, past: Array | None) -> Array:
            del past
            return naive_causal_conv(z, kernel)

        q = self._queries(x, turn, None, convolve)
        features = self._keys_and_values(x, turn, None, convolve)
        values = self._paired(features["v"])
        return self._merge(x, naive_attention(q, features["k"], values, self.spec.window))


def _positions(slots: int, last: Position) -> Array:
    """The position whose key each slot of a ring holds when `last` was written last; negative if none."""
    return last - (last - jnp.arange(slots)) % slots


def _write(cache: Array, new: Array, position: Position) -> Array:
    return lax.dynamic_update_slice_in_dim(cache, new.astype(cache.dtype), position % cache.shape[1], axis=1)
