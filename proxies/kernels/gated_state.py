"""Linear attention with decay: `S_t = a_t S_{t-1} + k_t (x) v_t`, `o_t = S_t^T q_t`.

The decay `a_t` is one number a head (Mamba-2) or one a key channel (gated linear attention). Chunked form:
within a chunk by matrix products, between chunks by a recurrence over their final states (Dao and Gu,
arXiv 2405.21060, section 6; Yang et al., arXiv 2312.06635, section 4.3).
"""

import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Float
from proxies.kernels.linear_recurrence import linear_recurrence

CHUNK = 16
MIN_LOG_DECAY = -80.0 / CHUNK
"""A decay per key channel may not fall below exp(this) a token: within a chunk its inverse stays finite in
float32."""

Queries = Float[Array, "B T H K"]
Values = Float[Array, "B T H V"]
LogDecay = Float[Array, "B T H K"] | Float[Array, "B T H 1"]
Matrix = Float[Array, "B H K V"]


def gated_state(
    q: Queries, k: Queries, v: Values, log_decay: LogDecay, s0: Matrix | None = None, chunk: int = CHUNK
) -> tuple[Values, Matrix]:
    """Outputs of all tokens and the state after the last, from the state `s0` (zeros by default).

    `log_decay` is at most 0; per key channel (not per head) also at least `-80 / chunk`. Any length: the
    last chunk is filled with tokens that change nothing.
    """
    batch, tokens, heads, keys = q.shape
    values = v.shape[-1]
    chunk = min(chunk, tokens)
    count = -(-tokens // chunk)
    fill = ((0, 0), (0, count * chunk - tokens), (0, 0), (0, 0))
    # B N H L x: chunks of L tokens, heads before tokens so that products are plain matrix products.
    q, k, v, g = (
        jnp.pad(x, fill).reshape(batch, count, chunk, heads, x.shape[-1]).transpose(0, 1, 3, 2, 4)
        for x in (q, k, v, log_decay)
    )
    total = jnp.cumsum(g, axis=3)
    end = total[:, :, :, -1:]
    causal = jnp.tril(jnp.ones((chunk, chunk), bool))
    if g.shape[-1] == 1:
        decay = jnp.where(causal, total - total.swapaxes(3, 4), -jnp.inf)
        scores = (q @ k.swapaxes(3, 4)) * jnp.exp(decay)
    else:
        scores = jnp.where(causal, (q * jnp.exp(total)) @ (k * jnp.exp(-total)).swapaxes(3, 4), 0.0)
    added = (k * jnp.exp(end - total)).swapaxes(3, 4) @ v
    s0 = jnp.zeros((batch, heads, keys, values), q.dtype) if s0 is None else s0
    states = linear_recurrence(jnp.exp(end).swapaxes(3, 4), added, s0)
    before = jnp.concatenate([s0[:, None], states[:, :-1]], axis=1)
    outputs = scores @ v + (q * jnp.exp(total)) @ before
    outputs = outputs.transpose(0, 1, 3, 2, 4).reshape(batch, count * chunk, heads, values)
    return outputs[:, :tokens], states[:, -1]


def gated_state_step(
    q: Float[Array, "B H K"],
    k: Float[Array, "B H K"],
    v: Float[Array, "B H V"],
    log_decay: Float[Array, "B H K"] | Float[Array, "B H 1"],
    s: Matrix,
) -> tuple[Float[Array, "B H V"], Matrix]:
    """One token."""
    s = jnp.exp(log_decay)[..., None] * s + k[..., None] * v[:, :, None]
    return (q[..., None] * s).sum(2), s


def naive_gated_state(q: Queries, k: Queries, v: Values, log_decay: LogDecay) -> Values:
    """The recurrence as it is written, token by token."""

    def step(s: Matrix, t: Array) -> tuple[Matrix, Array]:
        s = jnp.exp(log_decay[:, t])[..., None] * s + jnp.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        return s, jnp.einsum("bhk,bhkv->bhv", q[:, t], s)

    s0 = jnp.zeros((q.shape[0], *q.shape[2:], v.shape[3]), q.dtype)
    return jnp.moveaxis(lax.scan(step, s0, jnp.arange(q.shape[1]))[1], 0, 1)
