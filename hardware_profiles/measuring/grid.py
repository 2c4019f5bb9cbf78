"""What a calibration measures: stacks of equal blocks over widths, contexts, batches and types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from genomes import Scale, parse_layout
from hardware_profiles.cases import HEAD, Case
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import JAX, read_types
from hardware_profiles.traits import traits_of
from hardware_profiles.workload import Workload

HEAD_DIM = 64
SMALL_VOCABULARY = 256
"""Vocabulary of the stacks of blocks, so that blocks are what takes the time."""
VOCABULARIES = (4096, 32768)
"""At which embedding and logits are measured."""
STACK_PARAMETERS = 4_000_000
"""Fewest parameters of all blocks of a stack, as far as `MOST_COPIES` allows."""
FEWEST_COPIES, MOST_COPIES = 2, 4


@dataclass(frozen=True)
class Grid:
    """What is measured: every width with every context, and at the middle width what lies farther out.

    Curves are linear in a block's work, with one factor a width: longer contexts and larger batches need not
    be measured at every width.
    """

    widths: tuple[int, ...]
    contexts: tuple[int, ...]
    """Contexts in tokens for operators whose state is of one size."""
    growing_contexts: tuple[int, ...]
    """Contexts for operators whose state grows with the context."""
    long_contexts: tuple[int, ...] = ()
    """Further contexts for the latter, at the middle width."""
    batches: tuple[int, ...] = (1,)
    """Sequences side by side; numbers above 1 at the shortest context and the middle width."""
    types: tuple[str, ...] | None = ("float32",)
    """Types of the arithmetic, and after slashes of stored weights and states where they are others; None for
    the runtime's own."""

    @property
    def middle(self) -> int:
        """The width in the middle."""
        return sorted(self.widths)[len(self.widths) // 2]

    def workloads(self, width: int, grows: bool, most_batch: int | None) -> Iterator[tuple[int, int]]:
        """Contexts and batches of an operator at a width."""
        contexts = self.growing_contexts if grows else self.contexts
        yield from ((context, 1) for context in contexts)
        if width == self.middle:
            yield from ((context, 1) for context in (self.long_contexts if grows else ()))
            yield from ((contexts[0], batch) for batch in self.batches if 1 < batch <= (most_batch or batch))


GRIDS = {
    "quick": Grid(widths=(256, 512, 1024), contexts=(256, 1024), growing_contexts=(256, 1024, 2048)),
    "full": Grid(
        widths=(256, 512, 1024, 2048, 4096),
        contexts=(256, 1024),
        growing_contexts=(256, 1024, 4096),
        long_contexts=(16384, 32768),
        batches=(1, 4, 16),
        types=None,
    ),
}


def cases(grid: Grid, layouts: Sequence[str], runtime: Runtime = JAX) -> Iterator[Case]:
    """Every stack of a grid; the empty ones first, then operator after operator.

    The table of the logits is stored as the runtime's models come. Raises `InvalidInput` for types that the
    runtime does not run.
    """
    shipped = traits_of(runtime.name).shipped
    read = [read_types(text, runtime) for text in grid.types or runtime.full_grid_types]
    types = [shipped(Workload(dtype=dtype, weights=weights, cache=cache)) for dtype, weights, cache in read]
    batches = [batch for batch in grid.batches if batch <= (runtime.largest_batch or batch)]
    for stored, width, context, vocabulary, batch in product(
        types, grid.widths, grid.contexts[-1:], VOCABULARIES, batches
    ):
        yield Case(
            operator=HEAD,
            block={},
            width=width,
            vocab_size=vocabulary,
            copies=1,
            context=context,
            batch=batch,
            dtype=stored.dtype,
            weights=stored.weights,
            cache=stored.cache,
            head=stored.head,
        )
    for text, stored, width in product(layouts, types, grid.widths):
        scale = Scale(width=width, head_dim=HEAD_DIM, vocab_size=SMALL_VOCABULARY)
        block = parse_layout(text).blocks[0].at(scale)
        grows = block.state_elements(width, 1024) > block.state_elements(width, 512)
        copies = -(-STACK_PARAMETERS // block.parameters(width))
        for context, batch in grid.workloads(width, grows, runtime.largest_batch):
            yield Case(
                operator=block.name,
                block=block.to_dict(),
                width=width,
                vocab_size=SMALL_VOCABULARY,
                copies=max(FEWEST_COPIES, min(MOST_COPIES, copies)),
                context=context,
                batch=batch,
                dtype=stored.dtype,
                weights=stored.weights,
                cache=stored.cache,
                head=stored.head,
            )
