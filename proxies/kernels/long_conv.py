"""The forms of causal depthwise convolution that `proxies.kernels.causal_conv` chooses from.

A Fourier transform of the whole sequence would be two to four times as fast as halving it, but its rounding
errors reach from later inputs to earlier outputs. Here transforms only carry earlier inputs to later outputs.
"""

import jax.numpy as jnp

from proxies.axes import Array, Channels, Float

HALVING_CHUNK = 64
"""Tokens at which halving stops and a Toeplitz matrix takes over: the fastest of 16 to 128 on the CPU."""

Padded = Float[Array, "B P C"]
"""Inputs with the `L - 1` before them: `P = L - 1 + T`."""
Rows = Float[Array, "... T"]


def shifted(padded: Padded, kernel: Float[Array, "L C"]) -> Channels:
    """`y_t = sum_j kernel_j padded_{t + j}`, tap by tap."""
    length = kernel.shape[0]
    tokens = padded.shape[1] - length + 1
    taps = (padded[:, j : j + tokens] * kernel[j] for j in range(1, length))
    return sum(taps, padded[:, :tokens] * kernel[0])


def toeplitz_conv(padded: Padded, kernel: Float[Array, "L C"]) -> Channels:
    """The same, chunk by chunk: outputs are a window of inputs times a Toeplitz matrix a channel."""
    length = kernel.shape[0]
    batch, tokens, channels = padded.shape[0], padded.shape[1] - length + 1, padded.shape[2]
    chunk = min(16 if length <= 32 else 32, tokens)
    count, window = -(-tokens // chunk), chunk + length - 1
    # Windows as parts of a chunk each, side by side: copying chunks is faster than gathering tokens.
    parts = -(-window // chunk)
    x = padded.transpose(2, 0, 1)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, (count + parts - 1) * chunk - x.shape[2])))
    x = x.reshape(channels, batch, count + parts - 1, chunk)
    windows = jnp.concatenate([x[:, :, part : part + count] for part in range(parts)], axis=-1)
    windows = windows[..., :window].reshape(channels, batch * count, window)
    y = jnp.einsum("crw,ctw->crt", windows, _toeplitz(kernel.T, chunk))
    return y.reshape(channels, batch, count * chunk)[:, :, :tokens].transpose(1, 2, 0)


def halving_conv(x: Channels, kernel: Float[Array, "T C"]) -> Channels:
    """The same for a kernel about as long as the sequence, with zeros before it.

    Each half is convolved by itself, and what the first leaves to the second is added; the same within
    halves. `T log^2 T` multiply-adds. Inside in float32.
    """
    tokens, dtype = x.shape[1], x.dtype
    size = HALVING_CHUNK
    while size < tokens:
        size *= 2
    by_lag = kernel[::-1].astype(jnp.float32).T
    by_lag = jnp.pad(by_lag, ((0, 0), (0, size - by_lag.shape[1])))
    rows = jnp.pad(x.astype(jnp.float32).transpose(2, 0, 1), ((0, 0), (0, 0), (0, size - tokens)))
    return _halves(rows, by_lag)[:, :, :tokens].transpose(1, 2, 0).astype(dtype)


def carried(before: Rows, by_lag: Rows) -> Rows:
    """What inputs leave to later outputs: `y_t = sum_s by_lag_{t - s} before_s`, circular over all T.

    Exact where `t` is not below the number of inputs that `before` starts with, the rest being zeros: what
    goes round falls before that. Float32.
    """
    size = before.shape[-1]
    return jnp.fft.irfft(jnp.fft.rfft(before) * jnp.fft.rfft(by_lag), size)


def _halves(x: Float[Array, "C R T"], by_lag: Float[Array, "C T"]) -> Float[Array, "C R T"]:
    """Rows of one length, each convolved by itself."""
    channels, rows, size = x.shape
    if size == HALVING_CHUNK:
        # The columns of the window that lie before the row meet only zeros.
        within = _toeplitz(by_lag[:, ::-1], size)[..., size - 1 :]
        return jnp.einsum("crw,ctw->crt", x, within)
    half = size // 2
    by_half = _halves(x.reshape(channels, 2 * rows, half), by_lag[:, :half]).reshape(channels, rows, 2, half)
    first = jnp.pad(x[..., :half], ((0, 0), (0, 0), (0, half)))
    late = carried(first, by_lag[:, None])[..., half:]
    return jnp.stack([by_half[:, :, 0], by_half[:, :, 1] + late], axis=2).reshape(x.shape)


def _toeplitz(kernel: Float[Array, "C L"], rows: int) -> Float[Array, "C R W"]:
    """`R` rows, each the kernel one place further to the right than the row above: `W = L + R - 1`."""
    channels, length = kernel.shape
    window = length + rows - 1
    # Rows of one place more than the window, cut again at the window, each start one place later.
    wide = jnp.pad(kernel, ((0, 0), (0, rows)))[:, None]
    repeated = jnp.broadcast_to(wide, (channels, rows, window + 1)).reshape(channels, -1)
    return repeated[:, : rows * window].reshape(channels, rows, window)
