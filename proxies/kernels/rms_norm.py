"""Root-mean-square norm."""

import jax.numpy as jnp
from jax import lax

from proxies.axes import Array


def rms_norm(x: Array, weight: Array, eps: float) -> Array:
    """`weight x / sqrt(mean(x^2) + eps)` over the last axis, in float32 (arXiv 1910.07467)."""
    x32 = x.astype(jnp.float32)
    scale = lax.rsqrt(jnp.mean(jnp.square(x32), axis=-1, keepdims=True) + eps)
    return (x32 * scale * weight.astype(jnp.float32)).astype(x.dtype)
