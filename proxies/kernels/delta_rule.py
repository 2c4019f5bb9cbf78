"""Delta rule with decay: `S <- a_t S`, `S <- S + k_t (x) beta_t (v_t - S^T k_t)`, `o_t = S^T q_t`.

The decay `a_t` is one number a head (gated DeltaNet, arXiv 2412.06464) or one a key channel (Kimi Delta
Attention, arXiv 2510.26692). Chunked form: the corrections `delta = beta (v - S^T k)` of a chunk solve a
unit lower-triangular system (the WY representation and UT transform of arXiv 2406.06484, section 3.2, with
the decays of arXiv 2412.06464, section 3.3, and of arXiv 2510.26692, section 3), so that only the states of
whole chunks follow one another. Any length: the last chunk is filled with tokens that change nothing. In
float32, whatever goes in.
"""

import jax
import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Float, HeadStates
from proxies.kernels.chunks import causal_mask, filled
from proxies.kernels.gated_state import next_state, readout

HEAD_DELTA_CHUNK, CHANNEL_DELTA_CHUNK = 32, 16
"""Tokens of a chunk with one decay a head, and with one a key channel: of 16, 32 and 64 the fastest, forward
and backward, with 512 tokens and heads of 64."""

PART = 4
"""Tokens of a chunk that share a point from which decays per channel are measured."""
NEGLIGIBLE_LOG_DECAY = -16.0
"""Logarithmic decay a token at which a state is below float32's resolution: stronger decays are taken for it.
So sums of decays keep their digits, and exponents of decays per channel stay within `PART - 1` times this,
where neither products nor their gradients overflow or vanish. It rounds; no operator's definition has it."""

Decay = Float[Array, "B T H K"] | Float[Array, "B T H 1"]


def delta_rule(
    q: Float[Array, "B T H K"],
    k: Float[Array, "B T H K"],
    v: Float[Array, "B T H V"],
    beta: Float[Array, "B T H"],
    log_decay: Decay,
    s0: HeadStates | None = None,
    chunk: int | None = None,
) -> tuple[Float[Array, "B T H V"], HeadStates]:
    """Outputs of all tokens and the state after the last, from `s0` (default zeros).

    `log_decay` is at most 0, `beta` from 0 to 1, and keys are at most of length 1. A chunk whose decays
    differ by channel is a multiple of `PART` tokens, or `ValueError` is raised.
    """
    batch, tokens, heads, keys = q.shape
    dtype, by_head = v.dtype, log_decay.shape[3] == 1
    chunk = chunk or (HEAD_DELTA_CHUNK if by_head else CHANNEL_DELTA_CHUNK)
    if not by_head and chunk % PART:
        raise ValueError(f"chunk = {chunk}; legal: a multiple of {PART}, as decays differ by channel")
    count = -(-tokens // chunk)

    def chunks(z: Array) -> Float[Array, "N B H L E"]:
        z = filled(z.astype(jnp.float32), count * chunk)
        return z.reshape(batch, count, chunk, heads, -1).transpose(1, 0, 3, 2, 4)

    q, k, v, beta, log_decay = (chunks(z) for z in (q, k, v, beta[..., None], log_decay))
    total = jnp.cumsum(jnp.maximum(log_decay, NEGLIGIBLE_LOG_DECAY), axis=3)
    end, faded = total[..., -1:, :], jnp.exp(total)
    of_keys, of_queries = (_head_scores if by_head else _channel_scores)(k, q, total)
    # delta = written - recalled S, where S is the state before the chunk.
    solved = _inverse(beta * of_keys) @ (beta * jnp.concatenate([v, k * faded], axis=-1))
    written, recalled = jnp.split(solved, [v.shape[-1]], axis=-1)
    kept = (k * jnp.exp(end - total)).swapaxes(3, 4)

    def step(s: HeadStates, t: tuple[Array, ...]) -> tuple[HeadStates, tuple[HeadStates, Array]]:
        written, recalled, kept, passed = t
        delta = written - recalled @ s
        return passed * s + kept @ delta, (s, delta)

    first = jnp.zeros((batch, heads, keys, v.shape[-1])) if s0 is None else s0.astype(jnp.float32)
    last, (before, delta) = lax.scan(step, first, (written, recalled, kept, jnp.exp(end).swapaxes(3, 4)))
    o = (q * faded) @ before + of_queries @ delta
    o = o.transpose(1, 0, 3, 2, 4).reshape(batch, count * chunk, heads, -1)[:, :tokens]
    return o.astype(dtype), last if s0 is None else last.astype(s0.dtype)


def corrected_state(
    k: Float[Array, "B H K"],
    v: Float[Array, "B H V"],
    beta: Float[Array, "B H"],
    log_decay: Float[Array, "B H K"] | Float[Array, "B H 1"],
    s: HeadStates,
) -> HeadStates:
    """The state after one more token."""
    delta = beta[..., None] * (v - readout(jnp.exp(log_decay) * k, s))
    return next_state(k, delta, log_decay, s).astype(s.dtype)


def unit(x: Float[Array, "*lead K"], eps: float) -> Float[Array, "*lead K"]:
    """`x / sqrt(sum(x^2) + eps)` over the last axis, in float32."""
    x32 = x.astype(jnp.float32)
    return (x32 * lax.rsqrt(jnp.sum(jnp.square(x32), axis=-1, keepdims=True) + eps)).astype(x.dtype)


def naive_delta_rule(
    q: Float[Array, "B T H K"],
    k: Float[Array, "B T H K"],
    v: Float[Array, "B T H V"],
    beta: Float[Array, "B T H"],
    log_decay: Decay,
    s0: HeadStates | None = None,
) -> tuple[Float[Array, "B T H V"], HeadStates]:
    """The recurrence as it is written, token by token, for either kind of decay."""

    def step(s: HeadStates, t: Array) -> tuple[HeadStates, Array]:
        s = jnp.exp(log_decay[:, t])[..., None] * s
        delta = beta[:, t, :, None] * (v[:, t] - jnp.einsum("bhk,bhkv->bhv", k[:, t], s))
        s = s + jnp.einsum("bhk,bhv->bhkv", k[:, t], delta)
        return s, jnp.einsum("bhk,bhkv->bhv", q[:, t], s)

    if s0 is None:
        s0 = jnp.zeros((q.shape[0], *q.shape[2:], v.shape[3]), v.dtype)
    last, o = lax.scan(step, s0, jnp.arange(q.shape[1]))
    return jnp.moveaxis(o, 0, 1), last


def _head_scores(k: Array, q: Array, total: Array) -> tuple[Array, Array]:
    """`k_i k_j a_{j+1} ... a_i` for j < i, and `q_i k_j a_{j+1} ... a_i` for j <= i (`... L L`)."""
    chunk = k.shape[-2]
    decay = jnp.exp(jnp.where(causal_mask(chunk), total - total.swapaxes(-1, -2), -jnp.inf))
    of_both = jnp.concatenate([k, q], axis=-2) @ k.swapaxes(-1, -2)
    of_keys, of_queries = jnp.split(of_both, 2, axis=-2)
    return jnp.tril(of_keys * decay, -1), of_queries * decay


def _channel_scores(k: Array, q: Array, total: Array) -> tuple[Array, Array]:
    """The same with decays inside the products: `sum_c k_ic k_jc exp(total_ic - total_jc)`.

    Each part of a chunk measures decays from its first token, those of its rows and those of all keys up to
    its end: exponents of earlier keys are at most 0, and within the part they are bounded.
    """
    *lead, chunk, keys = k.shape
    parts = chunk // PART
    within = total.reshape(*lead, parts, PART, keys)
    first = lax.stop_gradient(within[..., :1, :])  # scores do not depend on it
    later = jnp.arange(chunk) >= PART * jnp.arange(1, parts + 1)[:, None]
    exponent = jnp.where(later[:, :, None], -jnp.inf, first - total[..., None, :, :])
    columns = k[..., None, :, :] * jnp.exp(exponent)
    faded = jnp.exp(within - first)
    rows = jnp.concatenate([z.reshape(within.shape) * faded for z in (k, q)], axis=-2)
    of_keys, of_queries = jnp.split(rows @ columns.swapaxes(-1, -2), 2, axis=-2)
    shape = (*lead, chunk, chunk)
    return jnp.tril(of_keys.reshape(shape), -1), jnp.tril(of_queries.reshape(shape))


@jax.custom_vjp
def _inverse(below: Float[Array, "*lead L L"]) -> Float[Array, "*lead L L"]:
    """`(I + below)^-1` of a strictly lower-triangular matrix.

    By substitution: the product `(I - N)(I + N^2)(I + N^4) ...` cancels badly where keys are alike.
    """
    eye = jnp.broadcast_to(jnp.eye(below.shape[-1], dtype=below.dtype), below.shape)
    return lax.linalg.triangular_solve(below, eye, left_side=True, lower=True, unit_diagonal=True)


def _inverse_forward(below: Array) -> tuple[Array, Array]:
    inverse = _inverse(below)
    return inverse, inverse


def _inverse_backward(inverse: Array, gradient: Array) -> tuple[Array]:
    transposed = inverse.swapaxes(-1, -2)
    return (-jnp.tril(transposed @ gradient @ transposed, -1),)


_inverse.defvjp(_inverse_forward, _inverse_backward)
