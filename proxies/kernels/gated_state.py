"""Linear attention with decay: `S_t = a_t S_{t-1} + k_t (x) v_t`, `o_t = S_t^T q_t`.

The decay `a_t` is one number a head (Mamba-2) or one a key channel (gated linear attention). Chunked form:
within a chunk of L tokens by matrix products, between chunks by a recurrence over their final states (Dao
and Gu, arXiv 2405.21060, section 6; Yang et al., arXiv 2312.06635, section 4.3). Any length: the last chunk
is filled with tokens that change nothing.
"""

import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Float, HeadStates
from proxies.kernels.chunks import causal_mask, filled
from proxies.kernels.linear_recurrence import linear_recurrence

HEAD_DECAY_CHUNKS = (16, 32, 64, 128)
"""Tokens of a chunk with one decay a head."""
CHANNEL_DECAY_CHUNK = 16
"""Tokens of a chunk with one decay a key channel."""
LARGEST_EXPONENT = 80.0
"""Largest exponent by which a chunk may divide decays out of its keys: float32 overflows at 88."""


def head_decay(
    q: Float[Array, "B T G K"],
    k: Float[Array, "B T G K"],
    v: Float[Array, "B T H V"],
    log_decay: Float[Array, "B T H"],
    s0: HeadStates | None = None,
    chunk: int | None = None,
) -> tuple[Float[Array, "B T H V"], HeadStates]:
    """One decay a head: outputs of all tokens and the state after the last, from `s0` (default zeros).

    Groups of `H / G` heads share queries and keys, so `q k^T` and the products with the state are taken
    once a group. `log_decay` is at most 0. A chunk is by default about `sqrt(K V)` tokens long: its scores
    are then about as many as the elements of its state, and both are written to memory.
    """
    batch, tokens, groups, keys = q.shape
    heads, values = v.shape[2:]
    if chunk is None:
        chunk = next(c for c in HEAD_DECAY_CHUNKS if c**2 >= keys * values or c == HEAD_DECAY_CHUNKS[-1])
    shared, chunk = heads // groups, min(chunk, tokens)
    count = -(-tokens // chunk)
    q, k, v, log_decay = (filled(z, count * chunk) for z in (q, k, v, log_decay))
    # Axes B N G L K and B N G S L V: N chunks of L tokens, G groups of S heads.
    q, k = (z.reshape(batch, count, chunk, groups, keys).transpose(0, 1, 3, 2, 4) for z in (q, k))
    v = v.reshape(batch, count, chunk, groups, shared, values).transpose(0, 1, 3, 4, 2, 5)
    log_decay = log_decay.reshape(batch, count, chunk, groups, shared).transpose(0, 1, 3, 4, 2)
    total = jnp.cumsum(log_decay, axis=-1)
    between = jnp.where(causal_mask(chunk), total[..., :, None] - total[..., None, :], -jnp.inf)
    # As an einsum: the gradient of a broadcast product is a strided sum, far slower on XLA CPU.
    scores = jnp.einsum("bngij,bngsij->bngsij", q @ k.swapaxes(3, 4), jnp.exp(between))
    outputs = scores @ v

    def wide(z: Array) -> Array:
        """Heads of a group side by side, as the columns of one product."""
        return z.swapaxes(3, 4).reshape(*z.shape[:3], z.shape[4], shared * values)

    faded = v * jnp.exp(total[..., -1:] - total)[..., None]
    added = (k.swapaxes(3, 4) @ wide(faded)).reshape(batch, count, groups, keys, shared, values)
    passed = jnp.exp(total[..., -1])[:, :, :, None, :, None]
    first = jnp.zeros_like(added[:, 0]) if s0 is None else _grouped(s0, groups)
    states = linear_recurrence(passed, added, first)
    before = jnp.concatenate([first[:, None], states[:, :-1]], axis=1)
    carried = q @ before.reshape(batch, count, groups, keys, shared * values)
    carried = carried.reshape(batch, count, groups, chunk, shared, values).swapaxes(3, 4)
    outputs += jnp.exp(total)[..., None] * carried
    outputs = outputs.transpose(0, 1, 4, 2, 3, 5).reshape(batch, count * chunk, heads, values)
    last = states[:, -1].transpose(0, 1, 3, 2, 4).reshape(batch, heads, keys, values)
    return outputs[:, :tokens], last


def channel_decay(
    q: Float[Array, "B T H K"],
    k: Float[Array, "B T H K"],
    v: Float[Array, "B T H V"],
    log_decay: Float[Array, "B T H K"],
    s0: HeadStates | None = None,
    *,
    least_log_decay: float,
    chunk: int = CHANNEL_DECAY_CHUNK,
) -> tuple[Float[Array, "B T H V"], HeadStates]:
    """One decay a key channel: outputs of all tokens and the state after the last, from `s0`.

    `log_decay` lies from `least_log_decay`, the operator's floor, to 0. Decays are divided out of the keys
    within a chunk; raises `ValueError` where a chunk of such decays would not stay finite.
    """
    if -least_log_decay * chunk > LARGEST_EXPONENT:
        raise ValueError(
            f"chunk = {chunk} with least_log_decay = {least_log_decay:g}; legal: a product of at least "
            f"-{LARGEST_EXPONENT:g}; take shorter chunks or a higher floor"
        )
    batch, tokens, heads = q.shape[:3]
    chunk = min(chunk, tokens)
    count = -(-tokens // chunk)
    # Axes B N H L K: N chunks of L tokens.
    q, k, v, log_decay = (
        filled(z, count * chunk).reshape(batch, count, chunk, heads, z.shape[-1]).transpose(0, 1, 3, 2, 4)
        for z in (q, k, v, log_decay)
    )
    total = jnp.cumsum(log_decay, axis=3)
    end = total[:, :, :, -1:]
    q = q * jnp.exp(total)
    scores = jnp.where(causal_mask(chunk), q @ (k * jnp.exp(-total)).swapaxes(3, 4), 0.0)
    added = (k * jnp.exp(end - total)).swapaxes(3, 4) @ v
    first = jnp.zeros_like(added[:, 0]) if s0 is None else s0
    states = linear_recurrence(jnp.exp(end).swapaxes(3, 4), added, first)
    before = jnp.concatenate([first[:, None], states[:, :-1]], axis=1)
    outputs = (scores @ v + q @ before).transpose(0, 1, 3, 2, 4)
    return outputs.reshape(batch, count * chunk, heads, -1)[:, :tokens], states[:, -1]


def next_state(
    k: Float[Array, "B H K"],
    v: Float[Array, "B H V"],
    log_decay: Float[Array, "B H K"] | Float[Array, "B H 1"],
    s: HeadStates,
) -> HeadStates:
    """The state after one more token."""
    return jnp.exp(log_decay)[..., None] * s + k[..., None] * v[:, :, None]


def readout(q: Float[Array, "B H K"], s: HeadStates) -> Float[Array, "B H V"]:
    """The output of one token from the state after it."""
    return (q[..., None] * s).sum(2)


def naive_gated_state(
    q: Float[Array, "B T G K"],
    k: Float[Array, "B T G K"],
    v: Float[Array, "B T H V"],
    log_decay: Float[Array, "B T H K"] | Float[Array, "B T H"],
) -> Float[Array, "B T H V"]:
    """The recurrence as it is written, token by token, for either kind of decay."""
    heads = v.shape[2]
    q, k = (jnp.repeat(z, heads // z.shape[2], axis=2) for z in (q, k))
    decay = jnp.exp(log_decay.reshape(*log_decay.shape[:2], heads, -1))

    def step(s: HeadStates, t: Array) -> tuple[HeadStates, Array]:
        s = decay[:, t, :, :, None] * s + jnp.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        return s, jnp.einsum("bhk,bhkv->bhv", q[:, t], s)

    s0 = jnp.zeros((q.shape[0], heads, q.shape[3], v.shape[3]), q.dtype)
    return jnp.moveaxis(lax.scan(step, s0, jnp.arange(q.shape[1]))[1], 0, 1)


def _grouped(s: HeadStates, groups: int) -> Float[Array, "B G K S V"]:
    batch, heads, keys, values = s.shape
    return s.reshape(batch, groups, heads // groups, keys, values).transpose(0, 1, 3, 2, 4)
