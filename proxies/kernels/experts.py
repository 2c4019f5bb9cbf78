"""SwiGLU experts, each on the rows that chose it.

Axes besides those of `proxies.axes`: M rows, E experts, K choices of a row, F features of an expert, L blocks
of R rows.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from proxies.axes import Array, Float, Int

SMALLEST, LARGEST = 16, 64
"""Rows of a block, which one expert works on: as many as an expert's share, within these. Smaller blocks are
more steps, larger ones are less full."""

Experts = tuple[Float[Array, "E D F"], Float[Array, "E D F"], Float[Array, "E F D"]]
"""Weights `gate`, `up` and `down` of all experts."""

Made = tuple[Float[Array, "L R _"], ...]
"""What blocks gave, whole."""


class Placement(NamedTuple):
    """Where choices work: each in a row of a block of its expert, whose blocks stand together."""

    slot: Int[Array, "M K"]
    """Row of each choice, of those of all blocks."""
    source: Int[Array, "L R"]
    """Which of the M rows stands there; 0 where none does."""
    first: Int[Array, "E"]
    """First block of each expert."""
    blocks: Int[Array, "E"]
    """Blocks of each expert; together they may be fewer than L."""

    @property
    def expert(self) -> Int[Array, "L"]:
        """The expert of each block; of blocks left over, some expert."""
        index = jnp.arange(len(self.source))[:, None]
        return jnp.minimum((self.first + self.blocks <= index).sum(1), len(self.first) - 1)


def block_size(choices: int, experts: int) -> int:
    """Rows of a block."""
    return max(SMALLEST, min(LARGEST, choices // experts))


def place(chosen: Int[Array, "M K"], experts: int, size: int) -> Placement:
    """Give each choice a row of its expert's blocks of `size` rows, in the order of the choices.

    An expert with c choices fills `ceil(c / size)` blocks, at most `(c + size - 1) / size`; L is the bound
    that follows for all together, so no choice is ever dropped.
    """
    flat = chosen.reshape(-1)
    taken = (flat[:, None] == jnp.arange(experts)).astype(jnp.int32)
    upto = jnp.cumsum(taken, axis=0)
    blocks = -(-upto[-1] // size)
    first = jnp.cumsum(blocks) - blocks
    slot = size * first[flat] + (upto * taken).sum(1) - 1
    most = (len(flat) + min(experts, len(flat)) * (size - 1)) // size
    source = jnp.zeros(most * size, jnp.int32).at[slot].set(jnp.arange(len(flat)) // chosen.shape[1])
    return Placement(slot.reshape(chosen.shape), source.reshape(most, size), first, blocks)


@jax.custom_vjp
def mixture(
    rows: Float[Array, "M D"], weights: Float[Array, "M K"], placement: Placement, experts: Experts
) -> Float[Array, "M D"]:
    """`sum_k weights_k swiglu_k(row)`, expert after expert, and block after block of each: for training.

    Its gradient gathers where that of gathering would scatter, sums an expert's weight gradients in place,
    and copies no weights a block. In training on a CPU, at 2 of 8 experts, all experts for every token take
    three to five times as long; `jax.lax.ragged_dot`, which computes as much there, longer still.
    """
    return _forward(rows, weights, placement, experts)[0]


def mixture_of_few(
    rows: Float[Array, "M D"], weights: Float[Array, "M K"], placement: Placement, experts: Experts
) -> Float[Array, "M D"]:
    """`mixture` block after block: only weights that are needed are read, for decoding."""

    def block(inputs: tuple[Array, Array]) -> Array:
        source, expert = inputs
        gate, up, down = (weight[expert] for weight in experts)
        made: Array = swiglu(rows[source], gate, up, down)
        return made

    made = lax.map(block, (placement.source, placement.expert))
    return _combine(made, weights, placement).astype(rows.dtype)


def swiglu(x: Array, gate: Array, up: Array, down: Array) -> Array:
    """One SwiGLU, or one for each leading index."""
    return (jax.nn.silu(x @ gate) * (x @ up)) @ down


def _forward(
    rows: Array, weights: Array, placement: Placement, experts: Experts
) -> tuple[Array, tuple[Array, ...]]:
    blocks, size = placement.source.shape

    def expert(made: Made, inputs: tuple[Array, ...]) -> tuple[Made, None]:
        first, count, gate, up, down = inputs

        def block(index: Array, made: Made) -> Made:
            x = rows[placement.source[index]]
            g, u = x @ gate, x @ up
            return _write(made, index, (g, u, (jax.nn.silu(g) * u) @ down))

        return lax.fori_loop(first, first + count, block, made), None

    widths = (experts[0].shape[-1], experts[1].shape[-1], rows.shape[-1])
    empty = tuple(jnp.zeros((blocks, size, width), rows.dtype) for width in widths)
    made, _ = lax.scan(expert, empty, (placement.first, placement.blocks, *experts))
    return _combine(made[-1], weights, placement).astype(rows.dtype), made


def _forward_rule(
    rows: Array, weights: Array, placement: Placement, experts: Experts
) -> tuple[Array, tuple[Any, ...]]:
    mixed, made = _forward(rows, weights, placement, experts)
    return mixed, (rows, weights, placement, experts, made)


def _backward_rule(saved: tuple[Any, ...], gradient: Array) -> tuple[Array, Array, None, Experts]:
    rows, weights, placement, experts, (g, u, y) = saved
    weight = jnp.zeros(placement.source.size, weights.dtype).at[placement.slot].set(weights)
    weight = weight.reshape(*placement.source.shape, 1)

    def expert(made: Made, inputs: tuple[Array, ...]) -> tuple[Made, Experts]:
        first, count, gate, up, down = inputs

        def block(index: Array, carry: tuple[Made, Experts]) -> tuple[Made, Experts]:
            made, (d_gate, d_up, d_down) = carry
            source = placement.source[index]
            x, d_y = rows[source], (gradient[source] * weight[index]).astype(rows.dtype)
            sigmoid = jax.nn.sigmoid(g[index])
            silu = g[index] * sigmoid
            d_h = d_y @ down.T
            d_u = d_h * silu
            d_g = d_h * u[index] * (sigmoid + silu * (1 - sigmoid))
            sums = d_gate + x.T @ d_g, d_up + x.T @ d_u, d_down + (silu * u[index]).T @ d_y
            return _write(made, index, (d_g @ gate.T + d_u @ up.T,)), sums

        zeros = jnp.zeros_like(gate), jnp.zeros_like(up), jnp.zeros_like(down)
        done: tuple[Made, Experts] = lax.fori_loop(first, first + count, block, (made, zeros))
        return done

    empty: Made = (jnp.zeros_like(y),)
    made, d_experts = lax.scan(expert, empty, (placement.first, placement.blocks, *experts))
    d_rows = _combine(made[0], jnp.ones_like(weights), placement)
    d_weights = [(chosen * gradient).sum(-1) for chosen in _chosen(y, placement)]
    return d_rows.astype(rows.dtype), jnp.stack(d_weights, 1).astype(weights.dtype), None, d_experts


mixture.defvjp(_forward_rule, _backward_rule)


def _write(made: Made, index: Array, parts: Made) -> Made:
    """Put what a block gave in its place."""
    return tuple(whole.at[index].set(part) for whole, part in zip(made, parts, strict=True))


def _chosen(made: Float[Array, "L R D"], placement: Placement) -> list[Float[Array, "M D"]]:
    """What the first, second, ... choices of all rows gave; one gather each is faster than one for all."""
    flat = made.reshape(-1, made.shape[-1])
    return [flat[slot] for slot in placement.slot.T]


def _combine(made: Float[Array, "L R D"], weights: Float[Array, "M K"], placement: Placement) -> Array:
    """The weighted sum over the choices of each row."""
    first, *others = _chosen(made, placement)
    return sum((y * w[:, None] for y, w in zip(others, weights.T[1:], strict=True)), first * weights[:, :1])
