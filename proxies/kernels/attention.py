"""Causal grouped-query attention, full or in a sliding window."""

import jax
import jax.numpy as jnp

from proxies.axes import Array, Float, Int, Keys, Queries, Values

QUERY_CHUNK = 64
CHUNKS_AT_MOST = 8


def causal_attention(q: Queries, k: Keys, v: Values, window: int | None = None) -> Float[Array, "B T H V"]:
    """`softmax(q k^T / sqrt(K)) v` over the tokens not after each query, `window` of them where given.

    Queries go in chunks that only meet the keys they may see, so the upper triangle (and what lies before
    a window) is never computed.
    """
    batch, tokens, heads, size = q.shape
    groups = k.shape[2]
    q = (q * size**-0.5).reshape(batch, tokens, groups, heads // groups, size).transpose(0, 2, 3, 1, 4)
    k, v = k.transpose(0, 2, 1, 3)[:, :, None], v.transpose(0, 2, 1, 3)[:, :, None]
    chunk = max(QUERY_CHUNK, -(-tokens // CHUNKS_AT_MOST))
    outputs = []
    for start in range(0, tokens, chunk):
        stop = min(start + chunk, tokens)
        first = 0 if window is None else max(0, start - window + 1)
        seen = visible(jnp.arange(start, stop), jnp.arange(first, stop), window)
        scores = q[:, :, :, start:stop] @ k[:, :, :, first:stop].swapaxes(3, 4)
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
        outputs.append(weights @ v[:, :, :, first:stop])
    mixed = jnp.concatenate(outputs, axis=3).transpose(0, 3, 1, 2, 4)
    return mixed.reshape(batch, tokens, heads, v.shape[-1])


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
