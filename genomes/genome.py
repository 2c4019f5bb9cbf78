"""Genomes: tuples of integers from 1, the same number for each block, and their text form.

The text joins the digits of a block and separates blocks by `-`: `21211-31112`; with dots inside a block
where a number has two digits: `17.1.1.1.1`. Integers that belong to no block stand at the end, behind a `/`:
`21211-31112/21`. What the genes mean is for a search space to say.
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


def genome_text(genome: Genome, genes_per_block: int, tail: int = 0) -> str:
    """The text form of a genome whose last `tail` integers belong to no block."""

    def unit_text(unit: Genome) -> str:
        if max(unit) <= 9:
            return "".join(map(str, unit))
        return ".".join(map(str, unit)) + ("." if len(unit) == 1 else "")  # a lone 12 is not 1 and 2

    end = len(genome) - tail
    text = "-".join(unit_text(unit) for unit in units(genome[:end], genes_per_block))
    return f"{text}/{unit_text(genome[end:])}" if tail else text


def parse_genome(text: str) -> Genome:
    """Read the text form. Raises `InvalidInput` naming the block and what stands there."""
    genome: list[int] = []
    expected = 0
    blocks, slash, tail = text.strip().partition("/")
    for index, unit in enumerate(blocks.split("-")):
        numbers = _numbers(unit, f"block {index}")
        expected = expected or len(numbers)
        if len(numbers) != expected:
            raise InvalidInput(f"genome block {index}: {unit!r}; expected {expected} numbers as in block 0")
        genome += numbers
    return (*genome, *(_numbers(tail, "behind the /") if slash else ()))


def _numbers(unit: str, where: str) -> Genome:
    lone, dot, rest = unit.partition(".")
    digits = unit.split(".") if rest else [lone] if dot else list(unit)
    if not digits or not all(_DIGITS.fullmatch(digit) for digit in digits):
        raise InvalidInput(f"genome {where}: {unit!r}; expected digits, or numbers with a dot between them")
    return tuple(map(int, digits))
