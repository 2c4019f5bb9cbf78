"""Rotary positions."""

import jax.numpy as jnp

from proxies.axes import Array, Float, Int


def rotate(x: Float[Array, "B T H K"], positions: Int[Array, "T"], theta: float) -> Float[Array, "B T H K"]:
    """Rotate-half rotary positions (arXiv 2104.09864): channel j turns with channel `j + K/2` by
    `position theta^(-2 j / K)`, in float32."""
    half = x.shape[-1] // 2
    frequency = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = (positions.astype(jnp.float32)[:, None] * frequency)[:, None]
    cos, sin = jnp.cos(angle).astype(x.dtype), jnp.sin(angle).astype(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def naive_rotate(x: Float[Array, "B T H K"], theta: float) -> Float[Array, "B T H K"]:
    """The same as a complex product, from position 0."""
    half = x.shape[-1] // 2
    z = x[..., :half] + 1j * x[..., half:]
    angle = jnp.outer(jnp.arange(x.shape[1]), theta ** (-2.0 * jnp.arange(half) / x.shape[-1]))
    z = z * jnp.exp(1j * angle)[:, None]
    return jnp.concatenate([z.real, z.imag], axis=-1)
