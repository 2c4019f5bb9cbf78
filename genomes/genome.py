"""Genomes: tuples of integers from 1, the same number for each block, and their text form.

The text joins the digits of a block and separates blocks by `-`: `21211-31112`; with dots inside a block
where a number has two digits: `17.1.1.1.1`. What the genes mean is for a search space to say.
"""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Literal, get_args

from genomes.errors import InvalidInput

Genome = tuple[int, ...]
Cause = Literal["range", "length", "sharing", "rule"]
"""Why a genome spells no layout: a gene, the number of blocks, who shares with whom, a rule of the space."""
CAUSES: tuple[Cause, ...] = get_args(Cause)

_DIGITS = re.compile(r"[0-9]{1,9}")


class IllegalGenome(InvalidInput):
    """A genome that a space cannot read, with what `repair` has to know of it."""

    def __init__(self, message: str, cause: Cause, block: int = 0, gene: int = 0) -> None:
        super().__init__(message)
        self.cause = cause
        self.block, self.gene = block, gene

    def __reduce__(self) -> tuple[type["IllegalGenome"], tuple[str, Cause, int, int]]:
        return type(self), (str(self), self.cause, self.block, self.gene)


def units(genome: Genome, genes_per_block: int) -> list[Genome]:
    """The genes of each block."""
    return [genome[i : i + genes_per_block] for i in range(0, len(genome), genes_per_block)]


def joined(blocks: Iterable[Genome]) -> Genome:
    """The genome of these blocks' genes."""
    return tuple(chain.from_iterable(blocks))


def genome_text(genome: Genome, genes_per_block: int) -> str:
    """The text form of a genome."""

    def unit_text(unit: Genome) -> str:
        if max(unit) <= 9:
            return "".join(map(str, unit))
        return ".".join(map(str, unit)) + ("." if len(unit) == 1 else "")  # a lone 12 is not 1 and 2

    return "-".join(unit_text(unit) for unit in units(genome, genes_per_block))


def parse_genome(text: str) -> Genome:
    """Read the text form. Raises `InvalidInput` naming the block and what stands there."""
    genome: list[int] = []
    expected = 0
    for index, unit in enumerate(text.strip().split("-")):
        lone, dot, rest = unit.partition(".")
        digits = unit.split(".") if rest else [lone] if dot else list(unit)
        if not digits or not all(_DIGITS.fullmatch(digit) for digit in digits):
            raise InvalidInput(
                f"genome block {index}: {unit!r}; expected digits, or numbers with a dot between them"
            )
        expected = expected or len(digits)
        if len(digits) != expected:
            raise InvalidInput(f"genome block {index}: {unit!r}; expected {expected} numbers as in block 0")
        genome += map(int, digits)
    return tuple(genome)
