"""Causal depthwise convolution, of any length."""

import jax.numpy as jnp

from proxies.axes import Array, Channels, Float
from proxies.kernels.long_conv import halving_conv, shifted, toeplitz_conv

LONGEST_SHIFTED = 8
"""Longest kernel taken tap by tap. Forward and backward on 2 CPU cores, batch 8, 64 channels, as multiples of
the Toeplitz form at 128 / 512 tokens: 4 taps 0.6, 8 taps 1.0 / 1.1, 12 taps 1.6 / 1.7, 32 taps 2 / 18, 128
over 20. It also compiles slower, a second for each 10 taps. A Fourier transform would win from 128 taps on
(0.3 to 0.4), but is not causal to the last bit. No other backend is measured yet."""
LONGEST_BANDED = 128
"""Longest kernel taken as one band of Toeplitz matrices. As multiples of it, halving costs for a kernel as
long as the sequence: 130 tokens 1.5, 256 tokens 0.5, 512 tokens 0.2."""


def causal_conv(
    x: Channels, kernel: Float[Array, "L C"], past: Float[Array, "B L1 C"] | None = None
) -> Channels:
    """`y_t = sum_j kernel_j x_{t - L + 1 + j}`; no output depends on a later input, to the last bit.

    `past` is what came before `x`: its last `L - 1` inputs, zeros by default. On XLA's CPU backend all three
    forms are 13 to 100 times as fast as `lax.conv_general_dilated` with one group a channel: short kernels by
    shifted multiply-adds, which fuse to one loop; medium ones by Toeplitz matrices; long ones, without a
    past, by halving the sequence.
    """
    tokens = x.shape[1]
    if past is None:
        kernel = kernel[-tokens:]  # earlier taps see only zeros
        if kernel.shape[0] > LONGEST_BANDED:
            return halving_conv(x, kernel)
        padded = jnp.pad(x, ((0, 0), (kernel.shape[0] - 1, 0), (0, 0)))
    else:
        padded = jnp.concatenate([past, x], axis=1)
    if tokens == 1:
        return jnp.sum(padded * kernel, axis=1, keepdims=True)
    return (shifted if kernel.shape[0] <= LONGEST_SHIFTED else toeplitz_conv)(padded, kernel)


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
