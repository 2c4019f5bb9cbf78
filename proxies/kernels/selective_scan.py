"""Selective diagonal recurrence: `h_t = exp(dt_t a) h_{t-1} + dt_t u_t (x) b_t`, `y_t = c_t^T h_t`.

N states a channel; the step `dt` differs by token and channel, `b` and `c` by token. Gu and Dao, arXiv
2312.00752, section 3.2. The states of all tokens (`B T N C`) are never held at once: the gradient starts
again from the first state of each chunk (their section 3.3.2 says the same of a GPU's fast memory).
"""

import jax
import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Channels, Float
from proxies.kernels.chunks import filled

SCAN_CHUNK = 32
"""Tokens between two states that are kept for the gradient."""

States = Float[Array, "B N C"]
"""N states a channel."""


def selective_scan(
    u: Channels,
    dt: Channels,
    a: Float[Array, "N C"],
    b: Float[Array, "B T N"],
    c: Float[Array, "B T N"],
    h0: States,
    *,
    chunk: int = SCAN_CHUNK,
) -> tuple[Channels, States]:
    """Outputs of all tokens and the state after the last, from `h0`.

    `dt` is at least 0 and `a` at most 0. A sequential scan in float32, whatever goes in. Any length: the
    last chunk is filled with steps of length 0, which change nothing.
    """
    batch, tokens, channels = u.shape
    chunk = min(chunk, tokens)
    count = -(-tokens // chunk)

    def chunks(z: Array) -> Float[Array, "n L B E"]:
        z = filled(z.astype(jnp.float32), count * chunk)
        return z.swapaxes(0, 1).reshape(count, chunk, batch, z.shape[2])

    steps = chunks(dt)
    a, h0_32 = a.astype(jnp.float32), h0.astype(jnp.float32)
    y, h = _scan(steps * chunks(u), steps, chunks(b), chunks(c), a, h0_32)
    y = y.reshape(count * chunk, batch, channels).swapaxes(0, 1)[:, :tokens]
    return y.astype(u.dtype), h.astype(h0.dtype)


def naive_selective_scan(
    u: Channels, dt: Channels, a: Array, b: Array, c: Array, h0: States
) -> tuple[Channels, States]:
    """The recurrence as it is written, with the gradient that jax derives."""

    def step(h: States, t: Array) -> tuple[States, Array]:
        decay = jnp.exp(jnp.einsum("bc,nc->bnc", dt[:, t], a))
        h = decay * h + jnp.einsum("bc,bc,bn->bnc", dt[:, t], u[:, t], b[:, t])
        return h, jnp.einsum("bn,bnc->bc", c[:, t], h)

    last, y = lax.scan(step, h0, jnp.arange(u.shape[1]))
    return jnp.moveaxis(y, 0, 1), last


def _next(h: States, v: Array, dt: Array, b: Array, a: Array) -> States:
    """One step; `v = dt u`."""
    return jnp.exp(dt[:, None] * a) * h + b[:, :, None] * v[:, None]


def _forward(
    v: Array, dt: Array, b: Array, c: Array, a: Array, h0: States
) -> tuple[Array, States, Float[Array, "n B N C"]]:
    """Outputs, the last state, and the state before each chunk."""

    def step(h: States, t: tuple[Array, ...]) -> tuple[States, Array]:
        v, dt, b, c = t
        h = _next(h, v, dt, b, a)
        return h, (c[:, :, None] * h).sum(1)

    def one_chunk(h: States, t: tuple[Array, ...]) -> tuple[States, tuple[Array, States]]:
        last, y = lax.scan(step, h, t)
        return last, (y, h)

    last, (y, starts) = lax.scan(one_chunk, h0, (v, dt, b, c))
    return y, last, starts


@jax.custom_vjp
def _scan(v: Array, dt: Array, b: Array, c: Array, a: Array, h0: States) -> tuple[Array, States]:
    return _forward(v, dt, b, c, a, h0)[:2]


def _forward_rule(*inputs: Array) -> tuple[tuple[Array, States], tuple[Array, ...]]:
    y, last, starts = _forward(*inputs)
    return (y, last), (*inputs[:-1], starts)


def _backward_rule(saved: tuple[Array, ...], gradients: tuple[Array, States]) -> tuple[Array, ...]:
    """The recurrence of `g`, the gradient with respect to `h`: `g_t = decay_{t+1} g_{t+1} + c_t dy_t`."""
    v, dt, b, c, a, starts = saved
    d_y, d_last = gradients

    def again(h: States, t: tuple[Array, ...]) -> tuple[States, States]:
        v, dt, b = t
        return _next(h, v, dt, b, a), h

    def step(g: States, t: tuple[Array, ...]) -> tuple[States, tuple[Array, ...]]:
        v, dt, b, c, d_y, before = t
        g = g + c[:, :, None] * d_y[:, None]
        d_v, d_b = (g * b[:, :, None]).sum(1), jnp.einsum("bnc,bc->bn", g, v)
        g = g * jnp.exp(dt[:, None] * a)
        d_exponent = g * before
        return g, (d_v, (d_exponent * a).sum(1), d_b, (d_exponent * dt[:, None]).sum(0))

    def one_chunk(g: States, t: tuple[Array, ...]) -> tuple[States, tuple[Array, ...]]:
        v, dt, b, c, d_y, start = t
        last, before = lax.scan(again, start, (v, dt, b))
        h = jnp.concatenate([before[1:], last[None]])
        g, (d_v, d_dt, d_b, d_a) = lax.scan(step, g, (v, dt, b, c, d_y, before), reverse=True)
        return g, (d_v, d_dt, d_b, jnp.einsum("tbnc,tbc->tbn", h, d_y), d_a.sum(0))

    d_h0, (d_v, d_dt, d_b, d_c, d_a) = lax.scan(one_chunk, d_last, (v, dt, b, c, d_y, starts), reverse=True)
    return d_v, d_dt, d_b, d_c, d_a.sum(0), d_h0


_scan.defvjp(_forward_rule, _backward_rule)
