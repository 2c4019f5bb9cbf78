"""Search spaces: an alphabet of block classes, and the integers that spell layouts with it.

A genome is a tuple of integers, two a block as digits from 1: the class in the alphabet, then the variant
within the class. Its text form joins the digits of a block and separates blocks by `-`: `11-62-31-61`
(with dots inside a block where a number has two digits, `1.12`).
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import NamedTuple

from genomes.errors import InvalidInput
from genomes.layout import Block, Layout, parse_layout
from genomes.operators import Kind
from genomes.scale import Scale

Genome = tuple[int, ...]
GENES_PER_BLOCK = 2
_DIGITS = re.compile(r"[0-9]{1,9}")


class BlockClass(NamedTuple):
    """One letter of the alphabet: variants of one operator, and how often chance should draw it."""

    name: str
    variants: tuple[Block, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Rule:
    """How many blocks of some kinds a layout must have."""

    kinds: tuple[Kind, ...]
    at_least: int = 0
    at_most: int | None = None

    def broken_by(self, layout: Layout) -> str | None:
        """What is wrong with the layout, in words, or None."""
        count = sum(block.operator.kind in self.kinds for block in layout)
        kinds = " or ".join(self.kinds)
        if count < self.at_least:
            return f"{count} {kinds} blocks; at least {self.at_least} are needed"
        if self.at_most is not None and count > self.at_most:
            return f"{count} {kinds} blocks; at most {self.at_most} are allowed"
        return None


@dataclass(frozen=True)
class SearchSpace:
    """What may be searched: classes, number of blocks, rules."""

    name: str
    description: str
    classes: tuple[BlockClass, ...]
    blocks: int
    rules: tuple[Rule, ...] = ()
    references: tuple[str, ...] = ()
    """Reference layouts that this space was made to contain or beat."""

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise InvalidInput(f"space {self.name}: blocks = {self.blocks}; at least 1 is needed")
        if not self.classes or not all(c.variants for c in self.classes):
            raise InvalidInput(f"space {self.name}: every class needs at least one variant")
        weights = [c.weight for c in self.classes]
        if not (all(0 <= weight < inf for weight in weights) and sum(weights) > 0):
            raise InvalidInput(
                f"space {self.name}: weights = {weights}; each must be 0 or more, and one above 0"
            )
        for rule in self.rules:
            if rule.at_most is not None and rule.at_most < rule.at_least:
                raise InvalidInput(
                    f"space {self.name}: a rule needs at least {rule.at_least} and allows at most "
                    f"{rule.at_most} {' or '.join(rule.kinds)} blocks"
                )
            if rule.at_least > self.blocks:
                raise InvalidInput(
                    f"space {self.name}: blocks = {self.blocks}, but a rule needs at least "
                    f"{rule.at_least} {' or '.join(rule.kinds)} blocks"
                )

    def with_blocks(self, blocks: int) -> "SearchSpace":
        """The same space at another number of blocks."""
        return replace(self, blocks=blocks)

    @cached_property
    def size(self) -> int:
        """Number of genomes, before rules and repeated meanings."""
        variants: int = sum(len(c.variants) for c in self.classes)
        return int(variants**self.blocks)

    def check_scale(self, scale: Scale) -> None:
        """Raise `InvalidInput` naming each variant that has no whole sizes at a scale."""
        problems = []
        for block_class in self.classes:
            for variant in block_class.variants:
                try:
                    variant.at(scale)
                except InvalidInput as error:
                    problems.append(str(error))
        if problems:
            raise InvalidInput(f"space {self.name}: {'; '.join(problems)}")

    def decode(self, genome: Genome) -> Layout:
        """The layout that a genome spells.

        Raises `InvalidInput` naming block, gene, value and what is legal.
        """
        if len(genome) != GENES_PER_BLOCK * self.blocks:
            raise InvalidInput(
                f"a genome of space {self.name} has {GENES_PER_BLOCK * self.blocks} integers "
                f"({GENES_PER_BLOCK} for each of {self.blocks} blocks); found {len(genome)}"
            )
        blocks = []
        for index, (letter, variant) in enumerate(units(genome)):
            if not 1 <= letter <= len(self.classes):
                raise InvalidInput(f"block {index}: class {letter}; legal: 1 to {len(self.classes)}")
            block_class = self.classes[letter - 1]
            if not 1 <= variant <= len(block_class.variants):
                raise InvalidInput(
                    f"block {index}: variant {variant} of class {letter} ({block_class.name}); "
                    f"legal: 1 to {len(block_class.variants)}"
                )
            blocks.append(block_class.variants[variant - 1])
        layout = Layout(tuple(blocks))
        self._check_rules(layout)
        return layout

    def encode(self, layout: Layout) -> Genome:
        """The genome that spells a layout, so `decode` gives the layout back.

        Raises `InvalidInput` naming a block outside the alphabet, a wrong length or a broken rule.
        """
        if len(layout) != self.blocks:
            raise InvalidInput(
                f"a layout of space {self.name} has {self.blocks} blocks; found {len(layout)}: {layout}"
            )
        codes = {
            variant: (letter, number)
            for letter, block_class in enumerate(self.classes, 1)
            for number, variant in enumerate(block_class.variants, 1)
        }
        genome: list[int] = []
        for index, block in enumerate(layout):
            if block not in codes:
                legal = ", ".join(str(variant) for variant in codes)
                raise InvalidInput(f"block {index} ({block}) is not in space {self.name}; it has: {legal}")
            genome += codes[block]
        self._check_rules(layout)
        return tuple(genome)

    def _check_rules(self, layout: Layout) -> None:
        for rule in self.rules:
            if problem := rule.broken_by(layout):
                raise InvalidInput(f"space {self.name}: {problem}")


def units(genome: Genome) -> list[Genome]:
    """The genes of each block."""
    return [genome[i : i + GENES_PER_BLOCK] for i in range(0, len(genome), GENES_PER_BLOCK)]


def genome_text(genome: Genome) -> str:
    """The text form of a genome."""

    def unit_text(unit: Genome) -> str:
        return ("." if max(unit) > 9 else "").join(map(str, unit))

    return "-".join(unit_text(unit) for unit in units(genome))


def parse_genome(text: str) -> Genome:
    """Read the text form. Raises `InvalidInput` naming the block and what stands there."""
    genome: list[int] = []
    for index, unit in enumerate(text.strip().split("-")):
        digits = unit.split(".") if "." in unit else list(unit)
        if len(digits) != GENES_PER_BLOCK or not all(_DIGITS.fullmatch(d) for d in digits):
            raise InvalidInput(
                f"genome block {index}: {unit!r}; expected {GENES_PER_BLOCK} digits, or numbers with a dot "
                "between them"
            )
        genome += map(int, digits)
    return tuple(genome)


def block_class(name: str, *variants: str, weight: float = 1.0) -> BlockClass:
    """A class of the alphabet from the text of its variants."""
    blocks = tuple(block for text in variants for block in parse_layout(text))
    repeated = [str(block) for block, count in Counter(blocks).items() if count > 1]
    if repeated:
        raise InvalidInput(f"class {name}: repeated variants: {', '.join(repeated)}")
    return BlockClass(name, blocks, weight)
