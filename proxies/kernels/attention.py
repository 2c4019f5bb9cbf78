"""Causal grouped-query attention, full or in a sliding window."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from proxies.axes import Array, Float, Int, Keys, Queries, Values

QUERY_CHUNK = 64
"""Least number of queries that meet their keys at once."""
CHUNKS_AT_MOST = 16
"""Most chunks of queries: more would take longer to compile than they save."""

PIECE_ROWS, PIECE_SLOTS = 512, 512
"""Rows and columns of a piece of a prompt's scores over a cache: a megabyte, which a core's cache holds."""

LOWEST = float(np.finfo(np.float32).min)
"""Below every score, and finite, so that nothing is subtracted from infinity."""

Group = Float[Array, "R T K"]
"""Queries of the R heads that read one key/value head of one sequence."""


def causal_attention(q: Queries, k: Keys, v: Values, window: int | None = None) -> Float[Array, "B T H V"]:
    """`softmax(q k^T / sqrt(K)) v` over the tokens not after each query, `window` of them where given.

    Queries go in chunks that only meet the keys they may see, so the upper triangle (and what lies before
    a window) is never computed. On a CPU the key/value heads of all sequences go one after the other, so
    that the scores of a chunk stay in a core's cache.
    """
    batch, tokens, heads, size = q.shape
    groups = k.shape[2]
    q = (q * size**-0.5).reshape(batch, tokens, groups, heads // groups, size).transpose(0, 2, 3, 1, 4)
    q = q.reshape(-1, heads // groups, tokens, size)
    k, v = (z.transpose(0, 2, 1, 3).reshape(-1, tokens, z.shape[-1]) for z in (k, v))
    mixed = _attend(q, k, v, window).reshape(batch, groups, heads // groups, tokens, -1)
    return mixed.transpose(0, 3, 1, 2, 4).reshape(batch, tokens, heads, -1)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _attend(
    q: Float[Array, "G R T K"], k: Float[Array, "G T K"], v: Float[Array, "G T V"], window: int | None
) -> Float[Array, "G R T V"]:
    """Attention of G groups. Its gradient computes the scores again, from the sum of each query's weights
    (arXiv 2205.14135, appendix B.2), so what is kept grows with the tokens and not with their square."""
    return _forward_rule(q, k, v, window)[0]


def _forward_rule(q: Array, k: Array, v: Array, window: int | None) -> tuple[Array, tuple[Array, ...]]:
    def group(inputs: tuple[Group, Array, Array]) -> tuple[Array, Array]:
        q, k, v = inputs
        outputs, totals = [], []
        for queries, keys in _chunks(q.shape[1], window):
            scores = _scores(q, k, queries, keys, window)
            largest = scores.max(-1, keepdims=True)
            weights = jnp.exp(scores - largest)
            total = weights.sum(-1, keepdims=True)
            # Divided after the sum over the keys: fewer divisions.
            outputs.append((weights.astype(v.dtype) @ v[keys] / total).astype(v.dtype))
            totals.append(largest + jnp.log(total))
        return _join(outputs, len(q)), _join(totals, len(q))

    output, total = _each(group)((q, k, v))
    return output, (q, k, v, output, total)


def _backward_rule(
    window: int | None, saved: tuple[Array, ...], gradient: Array
) -> tuple[Array, Array, Array]:
    def group(inputs: tuple[Array, ...]) -> tuple[Array, Array, Array]:
        q, k, v, output, total, d_output = inputs
        common = (d_output * output).sum(-1, keepdims=True)
        d_q, d_k, d_v = [], jnp.zeros_like(k), jnp.zeros_like(v)
        for queries, keys in _chunks(q.shape[1], window):
            weights = jnp.exp(_scores(q, k, queries, keys, window) - _rows(total, queries))
            d_rows = _rows(d_output, queries)
            d_scores = (weights * (d_rows @ v[keys].T - _rows(common, queries))).astype(q.dtype)
            d_q.append(d_scores @ k[keys])
            d_k = d_k.at[keys].add(d_scores.T @ _rows(q, queries))
            d_v = d_v.at[keys].add(weights.astype(v.dtype).T @ d_rows)
        return _join(d_q, len(q)), d_k, d_v

    gradients: tuple[Array, Array, Array] = _each(group)((*saved, gradient))
    return gradients


_attend.defvjp(_forward_rule, _backward_rule)


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of one group for all groups."""
    return partial(lax.map, function) if jax.default_backend() == "cpu" else jax.vmap(function)


def _chunks(tokens: int, window: int | None) -> list[tuple[slice, slice]]:
    """Queries, and the keys that some of them see."""
    chunk = max(QUERY_CHUNK, -(-tokens // CHUNKS_AT_MOST))
    starts = range(0, tokens, chunk)
    stops = [min(start + chunk, tokens) for start in starts]
    first = [0 if window is None else max(0, start - window + 1) for start in starts]
    return [(slice(a, c), slice(b, c)) for a, b, c in zip(starts, first, stops, strict=True)]


def _rows(z: Float[Array, "R T N"], tokens: slice) -> Float[Array, "M N"]:
    """Some tokens of all heads, head after head."""
    return z[:, tokens].reshape(-1, z.shape[-1])


def _join(chunks: list[Array], heads: int) -> Float[Array, "R T N"]:
    """Rows of consecutive chunks, as heads and tokens."""
    return jnp.concatenate([rows.reshape(heads, -1, rows.shape[-1]) for rows in chunks], axis=1)


def _scores(q: Group, k: Array, queries: slice, keys: slice, window: int | None) -> Float[Array, "M S"]:
    seen = visible(jnp.arange(queries.start, queries.stop), jnp.arange(keys.start, keys.stop), window)
    scores = (_rows(q, queries) @ k[keys].T).astype(jnp.float32)
    return jnp.where(jnp.tile(seen, (len(q), 1)), scores, -jnp.inf)


def visible(queries: Int[Array, "Q"], keys: Int[Array, "S"], window: int | None) -> Array:
    """Which key positions each query position may see (`Q S`); negative key positions hold nothing."""
    distance = queries[:, None] - keys[None, :]
    seen = (distance >= 0) & (keys >= 0)
    return seen if window is None else seen & (distance < window)


def cached_attention(
    q: Queries, k: Float[Array, "B S J K"], v: Float[Array, "B S J V"], seen: Array
) -> Float[Array, "B T H V"]:
    """Attention of new queries over a cache; `seen` (`T S`) says which slots each may see, one at least.

    On a CPU a prompt's queries meet the cache in pieces whose scores stay in a core's cache, and pieces that
    none of them sees are left out.
    """
    batch, tokens, heads, size = q.shape
    groups = k.shape[2]
    q = (q * size**-0.5).reshape(batch, tokens, groups, heads // groups, size)
    if tokens > 1 and jax.default_backend() == "cpu":
        mixed = _in_pieces(q, k, v, seen)
    else:
        scores = jnp.einsum("btjgk,bsjk->bjgts", q, k)
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
        mixed = jnp.einsum("bjgts,bsjv->btjgv", weights, v)
    return mixed.reshape(batch, tokens, heads, v.shape[-1])


def _in_pieces(
    q: Float[Array, "B T J R K"], k: Float[Array, "B S J K"], v: Float[Array, "B S J V"], seen: Array
) -> Float[Array, "B T J R V"]:
    """Softmax over pieces of the cache, one after the other (arXiv 1805.02867), for one key/value head of one
    sequence and a piece of its queries at a time."""
    batch, tokens, groups, heads, size = q.shape
    taken = min(tokens, max(1, PIECE_ROWS // heads))
    left = -tokens % taken
    q = jnp.pad(q, ((0, 0), (0, left), (0, 0), (0, 0), (0, 0)))
    seen = jnp.pad(seen, ((0, left), (0, 0)), mode="edge").reshape(-1, taken, seen.shape[1])
    q = q.reshape(batch, -1, taken, groups, heads, size).transpose(0, 3, 1, 4, 2, 5)
    q = q.reshape(batch * groups, -1, heads * taken, size)
    k, v = (z.transpose(0, 2, 1, 3).reshape(batch * groups, -1, z.shape[-1]) for z in (k, v))
    pieces = [slice(i, min(i + PIECE_SLOTS, k.shape[1])) for i in range(0, k.shape[1], PIECE_SLOTS)]

    def group(inputs: tuple[Array, Array, Array]) -> Array:
        queries, keys, values = inputs

        def rows(inputs: tuple[Array, Array]) -> Array:
            q, seen = inputs
            so_far = (
                jnp.full((len(q), 1), LOWEST),
                jnp.zeros((len(q), 1)),
                jnp.zeros((len(q), values.shape[-1])),
            )
            for piece in pieces:
                add = partial(_add, q, keys[piece], values[piece], jnp.tile(seen[:, piece], (heads, 1)))
                so_far = lax.cond(seen[:, piece].any(), add, lambda so_far: so_far, so_far)
            _, total, output = so_far
            mixed: Array = (output / total).astype(values.dtype)
            return mixed

        mixed: Array = lax.map(rows, (queries, seen))
        return mixed

    mixed = lax.map(group, (q, k, v)).reshape(batch, groups, -1, heads, taken, v.shape[-1])
    in_order: Array = mixed.transpose(0, 2, 4, 1, 3, 5).reshape(batch, -1, groups, heads, v.shape[-1])
    return in_order[:, :tokens]


def _add(q: Array, k: Array, v: Array, seen: Array, so_far: tuple[Array, ...]) -> tuple[Array, ...]:
    """The largest score, the sum of the weights and of the weighted values, with some keys more."""
    largest, total, output = so_far
    scores = jnp.where(seen, (q @ k.T).astype(jnp.float32), -jnp.inf)
    higher = jnp.maximum(largest, scores.max(-1, keepdims=True))
    weights, fade = jnp.exp(scores - higher), jnp.exp(largest - higher)
    return (
        higher,
        total * fade + weights.sum(-1, keepdims=True),
        output * fade + (weights.astype(v.dtype) @ v).astype(jnp.float32),
    )


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
