"""Mixture of SwiGLU experts; see `genomes.operators.moe`.

Axes besides those of `proxies.axes`: M rows (the tokens of all sequences), E experts, K choices of a token,
L blocks of R rows.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from proxies.axes import Array, Float, Hidden, Int, Position, State
from proxies.operators.base import OperatorModule, fan_in

SMALLEST, LARGEST = 16, 64
"""Rows of a block, which one expert works on: as many as an expert's share, within these. Smaller blocks read
the experts' weights more often, larger ones are less full."""

Rows = Float[Array, "M D"]
Weights = Float[Array, "M K"]
Choices = Int[Array, "M K"]
Blocks = Float[Array, "L R D"]
Work = Callable[[Blocks, Int[Array, "L"]], Blocks]
"""What experts make of blocks, given the expert of each."""


class MoE(OperatorModule):
    """Keeps no state.

    Each choice of a token becomes a row, and the rows of an expert fill blocks of their own. How many blocks
    there are at most follows from the sizes, so shapes are static and no token is dropped. In training on a
    CPU at 2 of 8 experts, all experts for every token take some 4 times as long, and `jax.lax.ragged_dot`,
    which computes as much there, longer still.
    """

    def setup(self) -> None:
        """Create the weights."""
        down = fan_in(self.residual_scale)
        self.router = self.weight("router")
        self.experts = self.weight("gate"), self.weight("up"), self.weight("down", down)
        if self.spec.shared_hidden is not None:
            self.shared = (
                self.weight("shared_gate"),
                self.weight("shared_up"),
                self.weight("shared_down", down),
            )
        if self.spec.shared_gated:
            self.shared_router = self.weight("shared_router")

    def _route(self, rows: Rows) -> tuple[Float[Array, "M E"], Weights, Choices]:
        """Logits in float32; weight and index of each chosen expert, of equals the one that comes first."""
        logits = rows.astype(jnp.float32) @ self.router.astype(jnp.float32)
        best, chosen = jax.lax.top_k(logits, self.spec.top_k)
        rest = best if self.spec.normalise else logits
        return logits, jnp.exp(best - jax.nn.logsumexp(rest, axis=-1, keepdims=True)), chosen

    def _shared(self, rows: Rows) -> Rows:
        """What the shared expert makes of the rows; zeros without one."""
        if self.spec.shared_hidden is None:
            return jnp.zeros_like(rows)
        made = swiglu(rows, *self.shared)
        return made * jax.nn.sigmoid(rows @ self.shared_router) if self.spec.shared_gated else made

    def _mix(self, rows: Rows, weights: Weights, chosen: Choices, work: Work) -> Rows:
        """What the chosen experts make of the rows, weighted, and the shared expert."""
        size = min(len(rows), max(SMALLEST, min(LARGEST, chosen.size // self.spec.experts)))
        expert, slot = fill_blocks(chosen.reshape(-1), self.spec.experts, size)
        filled = jnp.zeros((len(expert) * size, self.width), rows.dtype)
        filled = filled.at[slot].set(jnp.repeat(rows, self.spec.top_k, axis=0))
        made = work(filled.reshape(-1, size, self.width), expert).reshape(-1, self.width)[slot]
        mixed = (made.reshape(*chosen.shape, -1) * weights[..., None]).sum(1).astype(rows.dtype)
        return mixed + self._shared(rows)

    def __call__(self, x: Hidden) -> Hidden:
        """Each token by itself, all blocks at once; sows the load-balancing loss."""
        rows = x.reshape(-1, self.width)
        logits, weights, chosen = self._route(rows)
        if not self.is_initializing():  # the loss is no weight
            self.sow("losses", "load_balance", load_balance(logits, chosen))

        def together(blocks: Array, expert: Array) -> Array:
            return swiglu(blocks, *(weight[expert] for weight in self.experts))

        return self._mix(rows, weights, chosen, together).reshape(x.shape)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Each token by itself, block after block: only weights that are needed are read, and no copy of
        them all is made."""
        del position
        rows = x.reshape(-1, self.width)
        _, weights, chosen = self._route(rows)

        def in_turn(blocks: Array, expert: Array) -> Array:
            def one(block: tuple[Array, Array]) -> Array:
                return swiglu(block[0], *(weight[block[1]] for weight in self.experts))

            made: Array = jax.lax.map(one, (blocks, expert))
            return made

        return self._mix(rows, weights, chosen, in_turn).reshape(x.shape), state

    def reference(self, x: Hidden) -> Hidden:
        """Every expert on every token; those not chosen weigh 0."""
        rows = x.reshape(-1, self.width)
        _, weights, chosen = self._route(rows)
        full = (jax.nn.one_hot(chosen, self.spec.experts) * weights[..., None]).sum(1)
        y = jnp.einsum("me,emd->md", full, swiglu(rows[None], *self.experts)).astype(x.dtype)
        return (y + self._shared(rows)).reshape(x.shape)


def swiglu(x: Array, gate: Array, up: Array, down: Array) -> Array:
    """One SwiGLU, or one for each block."""
    return (jax.nn.silu(x @ gate) * (x @ up)) @ down


def fill_blocks(chosen: Int[Array, "C"], experts: int, size: int) -> tuple[Int[Array, "L"], Int[Array, "C"]]:
    """The expert of each block of `size` rows, and the row of each choice among those of all blocks.

    An expert with c choices fills `ceil(c / size)` blocks, at most `(c + size - 1) / size`; their number L
    is the bound that follows for all together. Blocks left over are the last expert's, and empty.
    """
    counts = (chosen[:, None] == jnp.arange(experts)).sum(0)
    needed = -(-counts // size)
    last = jnp.cumsum(needed)
    shift = size * (last - needed) - (jnp.cumsum(counts) - counts)
    used = min(experts, len(chosen))
    every = jnp.arange((len(chosen) + used * (size - 1)) // size)
    expert = jnp.minimum((last <= every[:, None]).sum(1), experts - 1)
    return expert, jnp.argsort(jnp.argsort(chosen)) + shift[chosen]


def load_balance(logits: Float[Array, "M E"], chosen: Choices) -> Float[Array, ""]:
    """`E sum_e f_e P_e`, 1 when balanced, with `f_e` the share of choices and `P_e` the mean probability of
    expert e. Fedus et al., arXiv 2101.03961, equations 4 to 6."""
    experts = logits.shape[-1]
    share = (chosen.reshape(-1, 1) == jnp.arange(experts)).mean(0)
    loss: Array = experts * (share * jax.nn.softmax(logits).mean(0)).sum()
    return loss
