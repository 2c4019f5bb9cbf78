"""Multi-head latent attention; see `genomes.operators.mla`."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Features, Float, Hidden, Position, State
from proxies.kernels.attention import cached_attention, causal_attention, naive_attention, visible
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.kernels.rotary import naive_rotate, rotate
from proxies.operators.base import NOTHING, OperatorModule, Rotate, Shared, constant, fan_in


class MLA(OperatorModule):
    """Its state holds the latent vectors and the rotated part of the keys.

    Training projects keys and values of every head from the latent vectors (the expanded form); decoding
    never does: it projects the queries into the latent space and the mixed latent vectors out of it (the
    absorbed form). So do prompts, though they are counted in the smaller form: a chunk would have to expand
    all tokens before it once more.
    """

    def setup(self) -> None:
        """Create the weights."""
        self.q, self.down, self.k, self.v = (self.weight(name) for name in ("q", "down", "k", "v"))
        self.norm = self.weight("norm", constant(1))
        self.out = self.weight("out", fan_in(self.residual_scale))
        if self.spec.rope_dim:
            self.rotary = self.weight("rotary")

    def _turn(self, tokens: int, position: Position) -> Rotate:
        positions = position + jnp.arange(tokens)
        return lambda z: rotate(z, positions, self.spec.rope_theta)

    def _queries(self, x: Hidden, turn: Rotate) -> tuple[Float[Array, "B T H K"], Float[Array, "B T H R"]]:
        q = project(x, self.q).reshape(*x.shape[:2], self.spec.heads, -1)
        plain, rotated = jnp.split(q, [self.spec.head_dim], axis=-1)
        return plain, turn(rotated) if self.spec.rope_dim else rotated

    def _latent(self, x: Hidden, turn: Rotate) -> Features:
        if self.down is None:
            return {}
        latent = rms_norm(project(x, self.down), self.norm, self.norm_eps)
        if not self.spec.rope_dim:
            return {"latent": latent, "rotary": jnp.zeros((*x.shape[:2], 0), x.dtype)}
        return {"latent": latent, "rotary": turn(project(x, self.rotary)[:, :, None])[:, :, 0]}

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """The latent vectors and the rotated part of the keys."""
        del state
        return self._latent(x, self._turn(x.shape[1], position))

    def _merge(self, mixed: Array) -> Hidden:
        return project(mixed.reshape(*mixed.shape[:2], -1), self.out)

    def _whole(self, x: Hidden, turn: Rotate, features: Features, attend: Callable[..., Array]) -> Hidden:
        heads = (*x.shape[:2], self.spec.heads)
        q = jnp.concatenate(self._queries(x, turn), axis=-1)
        k, v = (project(features["latent"], weight).reshape(*heads, -1) for weight in (self.k, self.v))
        rotary = jnp.broadcast_to(features["rotary"][:, :, None], (*heads, self.spec.rope_dim))
        return self._merge(attend(q, jnp.concatenate([k, rotary], axis=-1), v))

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, the upper triangle skipped."""
        features = self.features(x) | (shared or {})
        return self._whole(x, self._turn(x.shape[1], 0), features, causal_attention)

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """Write the latent vectors into the cache, attend over it in the latent space."""
        turn, tokens, spec = self._turn(x.shape[1], position), x.shape[1], self.spec
        own = self._latent(x, turn)
        after = {name: lax.dynamic_update_slice_in_dim(state[name], own[name], position, 1) for name in state}
        latent, rotary = (({**after, **shared.after})[name] for name in ("latent", "rotary"))
        plain, rotated = self._queries(x, turn)
        up = self.k.reshape(spec.rank, spec.heads, spec.head_dim)
        # cached_attention divides by the root of what it compares; the definition by that of a head's key.
        size = spec.rank + spec.rope_dim
        scale = (size / (spec.head_dim + spec.rope_dim)) ** 0.5
        q = jnp.concatenate([jnp.einsum("bthk,rhk->bthr", plain, up), rotated], axis=-1) * scale
        k = jnp.concatenate([latent, rotary], axis=-1)[:, :, None]
        seen = visible(position + jnp.arange(tokens), jnp.arange(k.shape[1]), None)
        mixed = cached_attention(q, k, latent[:, :, None], seen)
        values = self.v.reshape(spec.rank, spec.heads, spec.head_dim)
        return self._merge(jnp.einsum("bthr,rhv->bthv", mixed, values)), after

    def reference(self, x: Hidden) -> Hidden:
        """One query and one head at a time, positions as complex rotations."""

        def turn(z: Array) -> Array:
            return naive_rotate(z, self.spec.rope_theta)

        return self._whole(x, turn, self._latent(x, turn), naive_attention)
