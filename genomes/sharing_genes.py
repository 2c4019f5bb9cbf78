"""What blocks share, as four genes a block (STAR, arXiv 2411.17800, section 3).

Weights group, weights strategy {1 none, 2 all weights}; feature group, feature strategy {1 none, 2 keys,
3 values, 4 cache: keys and values, or the state}. Blocks of one group and one strategy share with the first
of them, so nothing in a genome refers to a position, and crossover keeps groups together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import get_args

from genomes.errors import InvalidInput
from genomes.genome import Genome, IllegalGenome
from genomes.layout import Block, Layout
from genomes.operators import Share, What
from genomes.sharing import check_shares

STRATEGIES: tuple[tuple[What | None, ...], ...] = ((None, "weights"), (None, "keys", "values", "cache"))
"""What each strategy of weights and of features shares, from 1."""
GENES = ("weights group", "weights strategy", "feature group", "feature strategy")
UNSHARED: Genome = (1, 1, 1, 1)

_ALL = get_args(What)


@cache
def can_share(block: Block, what: What) -> bool:
    """Whether two blocks like this can share it."""
    try:
        Layout((block, replace(block, shares=(Share(what=what, donor=0),))))
    except InvalidInput:
        return False
    return True


def legal_strategies(block: Block, pair: int) -> tuple[int, ...]:
    """The strategies that a block's operator allows, of weights (pair 0) or of features (pair 1)."""
    strategies = enumerate(STRATEGIES[pair], 1)
    return tuple(number for number, what in strategies if what is None or can_share(block, what))


def _claims(genes: Genome) -> Iterator[tuple[int, What, int]]:
    """Pair, what is shared and group of the strategies that are not `none`; features first."""
    for pair in (1, 0):
        group, strategy = genes[2 * pair : 2 * pair + 2]
        if (what := STRATEGIES[pair][strategy - 1]) is not None:
            yield pair, what, group


def read_shares(blocks: Sequence[Block], genes: Sequence[Genome]) -> tuple[Block, ...]:
    """The blocks with what their four genes say they share; genes are in range.

    Raises `IllegalGenome` at the strategy of the first block that cannot share with the owner of its group.
    """
    owners: dict[tuple[What, int], int] = {}
    names = [str(block) for block in blocks]
    placed: list[tuple[Share, ...]] = []
    for index, (block, four) in enumerate(zip(blocks, genes, strict=True)):
        placed.append(())
        for pair, what, group in _claims(four):
            owner = owners.setdefault((what, group), index)
            if owner == index:
                continue
            placed[index] = replace(block, shares=(*placed[index], Share(what=what, donor=owner))).shares
            try:
                check_shares(blocks[: index + 1], placed, [_ALL] * (index + 1), names[: index + 1])
            except InvalidInput as error:
                gene = 2 * pair + 1
                raise IllegalGenome(
                    f"block {index}: {GENES[gene]} {four[gene]} ({what}) in group {group}: {error}",
                    "sharing",
                    index,
                    gene,
                ) from None
    return tuple(replace(block, shares=shares) for block, shares in zip(blocks, placed, strict=True))


def write_shares(blocks: Sequence[Block], groups: int) -> list[Genome]:
    """The four genes of each block, with groups numbered as they come.

    Raises `InvalidInput` where a block takes part in more than one sharing of features, or there are more
    groups than `groups`.
    """
    numbers: dict[tuple[What, int], int] = {}
    genes = [list(UNSHARED) for _ in blocks]
    for index, block in enumerate(blocks):
        for what, owner in ((share.what, share.donor) for share in block.shares):
            pair = 0 if what == "weights" else 1
            known = sum(other == what for other, _ in numbers)
            group = numbers.setdefault((what, owner), known + 1)
            if group > groups:
                legal = f"it has {groups} groups" if groups else "it has no sharing"
                raise InvalidInput(
                    f"block {index} ({block}): sharing {what} of block {owner} needs group {group}; {legal}"
                )
            strategy = STRATEGIES[pair].index(what) + 1
            for member in (owner, index):
                place = slice(2 * pair, 2 * pair + 2)
                if genes[member][place] not in ([1, 1], [group, strategy]):
                    raise InvalidInput(
                        f"block {member} ({blocks[member]}) shares {what} and another of its features; a "
                        "genome can say one for each block"
                    )
                genes[member][place] = [group, strategy]
    return [tuple(four) for four in genes]
