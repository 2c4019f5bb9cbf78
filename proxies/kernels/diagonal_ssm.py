"""Diagonal state space with fixed coefficients: `h_t = exp(dt A) h_{t-1} + x_t`, `y_t = Re(c h_t)`.

States are complex and stand for conjugate pairs, `C M` for M pairs a channel. What is kept and learned is
real, with the real parts of all pairs before the imaginary parts on the last axis. The factor of the
discretised input commutes with the decay and belongs in `c`.

Without a state it is a convolution with `ssm_kernel` (arXiv 2206.11893, section 3), and so it trains: at 64
to 256 tokens the fastest form on the CPU that is causal to the last bit. `diagonal_ssm` carries a state.
"""

from math import isqrt

import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Channels, Float
from proxies.kernels.causal_conv import causal_conv
from proxies.kernels.chunks import filled
from proxies.kernels.linear_recurrence import linear_recurrence

SSM_CHUNK = 64
"""Tokens of a chunk where a state is carried."""


def discretise(log_a_real: Array, a_imag: Array, log_dt: Array) -> tuple[Array, Array]:
    """`dt A` and `(exp(dt A) - 1) / A` for `A = -exp(log_a_real) + i a_imag`, `dt = exp(log_dt)`.

    Zero-order hold (arXiv 2206.11893, section 2; arXiv 2208.04933, section 2): the second is what an input is
    multiplied by. Complex, in float32.
    """
    log_a_real, a_imag, log_dt = (z.astype(jnp.float32) for z in (log_a_real, a_imag, log_dt))
    a = lax.complex(-jnp.exp(log_a_real), a_imag)
    log_decay = jnp.exp(log_dt) * a
    return log_decay, jnp.expm1(log_decay) / a


def as_complex(z: Float[Array, "*lead N"]) -> Array:
    """The `N / 2` complex numbers whose real parts come first in `z`."""
    real, imaginary = jnp.split(z.astype(jnp.float32), 2, axis=-1)
    return lax.complex(real, imaginary)


def as_real(z: Array) -> Float[Array, "*lead N"]:
    """The inverse of `as_complex`."""
    return jnp.concatenate([z.real, z.imag], axis=-1)


def ssm_kernel(log_decay: Array, c: Array, tokens: int) -> Float[Array, "T C"]:
    """What an input leaves to the output `l` tokens later: `K_l = Re(sum_m c_m exp(l dt A_m))`, l < T.

    `exp((i F + j) dt A)` as a product of two powers: 2 sqrt(T) exponentials in place of T.
    """
    fine = isqrt(tokens - 1) + 1
    near = as_real(_powers(log_decay, fine))
    far = as_real((c * _powers(fine * log_decay, -(-tokens // fine))).conj())
    return jnp.einsum("icn,jcn->ijc", far, near).reshape(-1, c.shape[0])[:tokens]


def diagonal_ssm(
    x: Channels, log_decay: Array, c: Array, h0: Array, chunk: int = SSM_CHUNK
) -> tuple[Channels, Array]:
    """Outputs of all tokens and the state after the last.

    `x` is real, `log_decay = dt A` and `c` are `C M`, `h0` is `B C M`. Within a chunk the convolution,
    between chunks a recurrence over their final states.
    """
    batch, tokens, channels = x.shape
    chunk = min(chunk, tokens)
    count = -(-tokens // chunk)
    whole = filled(x, count * chunk)
    pieces = whole.reshape(batch * count, chunk, channels)
    powers = _powers(log_decay, chunk + 1)
    within = causal_conv(pieces, ssm_kernel(log_decay, c, chunk)[::-1])

    # Channels first, pieces as columns: a product of two matrices a channel.
    added = as_real(powers[chunk - 1 :: -1]).transpose(1, 2, 0) @ pieces.transpose(2, 1, 0)
    added = as_complex(added.transpose(2, 0, 1)).reshape(batch, count, channels, -1)
    decay = jnp.broadcast_to(powers[chunk], (1, count, *log_decay.shape))
    before = jnp.concatenate([h0[:, None], linear_recurrence(decay, added, h0)[:, :-1]], axis=1)
    columns = as_real(before).reshape(batch * count, channels, -1).transpose(1, 2, 0)
    carried = as_real((c * powers[1:]).conj()).swapaxes(0, 1) @ columns
    y = (within + carried.transpose(2, 1, 0)).reshape(whole.shape)[:, :tokens]

    rest = tokens - (count - 1) * chunk
    last = jnp.einsum("btc,tcm->bcm", x[:, tokens - rest :], powers[:rest][::-1])
    return y, last + powers[rest] * before[:, -1]


def next_ssm_state(x: Float[Array, "B C"], log_decay: Array, h: Array) -> Array:
    """The state after one more token."""
    return jnp.exp(log_decay) * h + x[:, :, None]


def ssm_readout(c: Array, h: Array) -> Float[Array, "B C"]:
    """The output of one token from the state after it."""
    return (c * h).real.sum(-1)


def naive_diagonal_ssm(x: Channels, log_decay: Array, c: Array, h0: Array) -> tuple[Channels, Array]:
    """The recurrence as it is written, token by token."""

    def step(h: Array, u: Array) -> tuple[Array, Array]:
        h = next_ssm_state(u, log_decay, h)
        return h, ssm_readout(c, h)

    last, y = lax.scan(step, h0, x.swapaxes(0, 1))
    return y.swapaxes(0, 1), last


def _powers(log_decay: Array, count: int) -> Array:
    """`exp(l dt A)` for `l = 0 ... count - 1`, on a first axis."""
    return jnp.exp(jnp.arange(count)[:, None, None] * log_decay)
