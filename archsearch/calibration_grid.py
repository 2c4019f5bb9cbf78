"""What a calibration measures: stacks of equal blocks over widths, contexts, batches and types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from archsearch.runtimes import JAX, Runtime, read_types
from genomes import Scale, parse_layout
from hardware_profiles.families import HEAD, Case

HEAD_DIM = 64
SMALL_VOCABULARY = 256
"""Of the stacks, so that blocks are what takes the time."""
VOCABULARIES = (4096, 32768)
"""At which embedding and logits are measured."""
STACK_PARAMETERS = 4_000_000
"""Blocks of a stack together, at least, as far as `MOST_COPIES` allows."""
FEWEST_COPIES, MOST_COPIES = 2, 4
MOST_TOKENS = 32768
"""Of all sequences of a batch together."""


@dataclass(frozen=True)
class Grid:
    """What is measured; every width with every context."""

    widths: tuple[int, ...]
    contexts: tuple[int, ...]
    """For operators whose state is of one size."""
    growing: tuple[int, ...]
    """For those whose state grows with the context."""
    batches: tuple[int, ...] = (1,)
    types: tuple[str, ...] | None = ("float32",)
    """Of the arithmetic, and after slashes those that weights and states are stored in where they are others;
    None for the runtime's own."""


GRIDS = {
    "quick": Grid(widths=(256, 512, 1024), contexts=(256, 1024), growing=(256, 1024, 2048)),
    "full": Grid(
        widths=(256, 512, 1024, 2048, 4096),
        contexts=(256, 1024),
        growing=(256, 1024, 4096, 16384, 32768),
        batches=(1, 4, 16),
        types=None,
    ),
}


def cases(grid: Grid, layouts: Sequence[str], runtime: Runtime = JAX) -> Iterator[Case]:
    """Every stack of a grid; the empty ones first, then operator after operator.

    Raises `InvalidInput` for types that the runtime does not run.
    """
    types = [read_types(text, runtime) for text in grid.types or runtime.most_types]
    batches = grid.batches if runtime is JAX else (1,)
    for (dtype, weights, cache), width, context, vocabulary, batch in product(
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
            dtype=dtype,
            weights=weights,
            cache=cache,
        )
    for text, (dtype, weights, cache), width in product(layouts, types, grid.widths):
        scale = Scale(width=width, head_dim=HEAD_DIM, vocab_size=SMALL_VOCABULARY)
        block = parse_layout(text).blocks[0].at(scale)
        grows = block.state_elements(width, 1024) > block.state_elements(width, 512)
        copies = -(-STACK_PARAMETERS // block.parameters(width))
        for context, batch in product(grid.growing if grows else grid.contexts, batches):
            if context * batch > MOST_TOKENS:
                continue
            yield Case(
                operator=block.name,
                block=block.to_dict(),
                width=width,
                vocab_size=SMALL_VOCABULARY,
                copies=max(FEWEST_COPIES, min(MOST_COPIES, copies)),
                context=context,
                batch=batch,
                dtype=dtype,
                weights=weights,
                cache=cache,
            )
