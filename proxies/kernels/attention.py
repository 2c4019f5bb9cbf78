"""Causal grouped-query attention, full or in a sliding window."""

import jax
import jax.numpy as jnp

from proxies.axes import Array, Float, Int, Keys, Queries, Values

QUERY_CHUNK = 64
CHUNKS_AT_MOST = 8

Group = Float[Array, "B J R K"]
"""Queries of the heads that read one key/value head, as rows: `R = H / J` times the queries."""


def causal_attention(q: Queries, k: Keys, v: Values, window: int | None = None) -> Float[Array, "B T H V"]:
    """`softmax(q k^T / sqrt(K)) v` over the tokens not after each query, `window` of them where given.

    Queries go in chunks that only meet the keys they may see, so the upper triangle (and what lies before
    a window) is never computed.
    """
    batch, tokens, heads, size = q.shape
    groups = k.shape[2]
    shared = heads // groups
    q = (q * size**-0.5).reshape(batch, tokens, groups, shared, size).transpose(0, 2, 3, 1, 4)
    k, v = k.transpose(0, 2, 1, 3), v.transpose(0, 2, 1, 3)
    chunk = max(QUERY_CHUNK, -(-tokens // CHUNKS_AT_MOST))
    outputs = []
    for start in range(0, tokens, chunk):
        stop = min(start + chunk, tokens)
        first = 0 if window is None else max(0, start - window + 1)
        seen = visible(jnp.arange(start, stop), jnp.arange(first, stop), window)
        rows = q[:, :, :, start:stop].reshape(batch, groups, -1, size)
        mixed = _attend(rows, k[:, :, first:stop], v[:, :, first:stop], jnp.tile(seen, (shared, 1)))
        outputs.append(mixed.reshape(batch, groups, shared, stop - start, -1))
    return jnp.concatenate(outputs, axis=3).transpose(0, 3, 1, 2, 4).reshape(batch, tokens, heads, -1)


@jax.custom_vjp
def _attend(
    q: Group, k: Float[Array, "B J S K"], v: Float[Array, "B J S V"], seen: Array
) -> Float[Array, "B J R V"]:
    """`softmax(q k^T) v` over the keys seen (`R S`); each query sees one at least.

    The output is divided by the sum of the weights, in place of the weights, and the gradient of the softmax
    subtracts `output . gradient`, in place of a sum over the keys (arXiv 2205.14135, appendix B.2).
    """
    return _attend_forward(q, k, v, seen)[0]


def _attend_forward(q: Group, k: Array, v: Array, seen: Array) -> tuple[Array, tuple[Array, ...]]:
    scores = jnp.where(seen, q @ k.swapaxes(2, 3), -jnp.inf)
    weights = jnp.exp(scores - scores.max(-1, keepdims=True))
    total = weights.sum(-1, keepdims=True)
    output = (weights @ v) / total
    return output, (q, k, v, weights, total, output)


def _attend_backward(saved: tuple[Array, ...], gradient: Array) -> tuple[Array, Array, Array, None]:
    q, k, v, weights, total, output = saved
    gradient = gradient / total
    common = (gradient * output).sum(-1, keepdims=True)
    d_scores = weights * (gradient @ v.swapaxes(2, 3) - common)
    return d_scores @ k, d_scores.swapaxes(2, 3) @ q, weights.swapaxes(2, 3) @ gradient, None


_attend.defvjp(_attend_forward, _attend_backward)


def visible(queries: Int[Array, "Q"], keys: Int[Array, "S"], window: int | None) -> Array:
    """Which key positions each query position may see (`Q S`); negative key positions hold nothing."""
    distance = queries[:, None] - keys[None, :]
    seen = (distance >= 0) & (keys >= 0)
    return seen if window is None else seen & (distance < window)


def cached_attention(
    q: Queries, k: Float[Array, "B S J K"], v: Float[Array, "B S J V"], seen: Array
) -> Float[Array, "B T H V"]:
    """Attention of new queries over a cache; `seen` (`T S`) says which slots each may see."""
    batch, tokens, heads, size = q.shape
    groups = k.shape[2]
    q = (q * size**-0.5).reshape(batch, tokens, groups, heads // groups, size)
    scores = jnp.einsum("btjgk,bsjk->bjgts", q, k)
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bjgts,bsjv->btjgv", weights, v).reshape(batch, tokens, heads, v.shape[-1])


def naive_attention(q: Queries, k: Keys, v: Values, window: int | None = None) -> Float[Array, "B T H V"]:
    """The definition: every query head with its own copy of keys and values, one masked square each."""
    tokens, heads, size = q.shape[1:]
    k, v = (jnp.repeat(z, heads // z.shape[2], axis=2) for z in (k, v))
    seen = jnp.tril(jnp.ones((tokens, tokens), bool))
    if window is not None:
        seen = seen & ~jnp.tril(seen, -window)
    scores = jnp.einsum("bthk,bshk->bhts", q, k) / jnp.sqrt(size)
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhts,bshv->bthv", weights, v)
