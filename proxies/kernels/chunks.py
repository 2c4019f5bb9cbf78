"""Sequences cut into chunks of one length, the last of them filled up."""

import jax.numpy as jnp

from proxies.axes import Array


def filled(z: Array, tokens: int) -> Array:
    """`B T ...` with zeros behind, up to `tokens` tokens: no key, no value, no step, no decay."""
    return jnp.pad(z, [(0, tokens - z.shape[1]) if axis == 1 else (0, 0) for axis in range(z.ndim)])


def causal_mask(tokens: int) -> Array:
    """Which tokens of a chunk (columns) each of them (rows) may see: itself and those before."""
    return jnp.tril(jnp.ones((tokens, tokens), bool))
