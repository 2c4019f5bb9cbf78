"""Causal depthwise convolution."""

import jax.numpy as jnp

from proxies.axes import Array, Channels, Float


def causal_conv(
    x: Channels, kernel: Float[Array, "L C"], past: Float[Array, "B L1 C"] | None = None
) -> Channels:
    """`y_t = sum_j kernel_j x_{t - L + 1 + j}`, by shifted multiply-adds.

    `past` is what came before `x`: its last `L - 1` inputs, zeros by default. On XLA's CPU backend this is
    far faster than `lax.conv_general_dilated` with one group a channel, and short kernels fuse to one loop.
    """
    length, tokens = kernel.shape[0], x.shape[1]
    if past is None:
        padded = jnp.pad(x, ((0, 0), (length - 1, 0), (0, 0)))
    else:
        padded = jnp.concatenate([past, x], axis=1)
    return sum(
        (padded[:, j : j + tokens] * kernel[j] for j in range(1, length)), padded[:, :tokens] * kernel[0]
    )


def conv_state(x: Channels, past: Float[Array, "B L1 C"]) -> Float[Array, "B L1 C"]:
    """The last inputs, to be the `past` of the next tokens."""
    return jnp.concatenate([past, x], axis=1)[:, x.shape[1] :]


def naive_causal_conv(x: Channels, kernel: Float[Array, "L C"]) -> Channels:
    """The same as a Toeplitz matrix a channel: `y_t = sum_s T_ts x_s`, `T_ts = kernel_{L - 1 - (t - s)}`."""
    length, tokens = kernel.shape[0], x.shape[1]
    distance = jnp.arange(tokens)[:, None] - jnp.arange(tokens)
    inside = (distance >= 0) & (distance < length)
    toeplitz = jnp.where(inside[:, :, None], kernel[jnp.clip(length - 1 - distance, 0, length - 1)], 0)
    return jnp.einsum("tsc,bsc->btc", toeplitz, x)
