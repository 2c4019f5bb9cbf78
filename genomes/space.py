"""Search spaces: an alphabet of block classes, and the integers that spell layouts with it.

A block is spelt by its class in the alphabet, then its variant where any class has several, then, where the
space has sharing, by the four genes of `genomes.sharing_genes`. With one variant a class and sharing these
are the five integers of STAR (arXiv 2411.17800, section 3). Where the space lets candidates choose what they
are stored in, the genes for that stand behind those of all blocks (`genomes.stored`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, prod
from typing import NamedTuple

from genomes.errors import InvalidInput
from genomes.genome import Cause, Genome, IllegalGenome, genome_text, joined, units
from genomes.layout import Block, Layout, parse_layout, repeated
from genomes.operators import Share
from genomes.rules import Rule
from genomes.scale import MAX_BLOCKS, Scale
from genomes.sharing_genes import GENES, STRATEGIES, legal_strategies, read_shares, write_shares
from genomes.stored import StoredChoices


class BlockClass(NamedTuple):
    """One letter of the alphabet: variants of one operator, and how often chance should draw it."""

    name: str
    variants: tuple[Block, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Sharing:
    """Blocks may share weights and features, in up to `groups` groups of each."""

    groups: int


@dataclass(frozen=True)
class Recurrence:
    """Each run of `group` blocks is repeated `times` in place, later passes with the weights of the first.

    A group of one layer is the block-wise sharing of MobileLLM (arXiv 2402.14905, section 3.4); a group of
    all blocks is a Universal Transformer (arXiv 1807.03819). A last run that is shorter is repeated too.
    """

    group: int
    times: int

    def place(self, index: int) -> int:
        """Where a block's first pass stands in the layout."""
        return index + index // self.group * self.group * (self.times - 1)

    def extend(self, blocks: Sequence[Block]) -> tuple[Block, ...]:
        """The blocks with their repetitions."""
        done: tuple[Block, ...] = ()
        for start in range(0, len(blocks), self.group):
            run = [_moved(block, map(self.place, _donors(block))) for block in blocks[start:][: self.group]]
            done = repeated(done, run, self.times)
        return done

    def first_passes(self, blocks: Sequence[Block]) -> tuple[Block, ...]:
        """The blocks without their repetitions. Raises `InvalidInput` where they are not such."""
        places = [self.place(index) for index in range(-(-len(blocks) // self.times))]
        if len(blocks) % self.times or not all(d in places for p in places for d in _donors(blocks[p])):
            raise InvalidInput(f"each group of {self.group} blocks must stand {self.times} times in a row")
        return tuple(_moved(blocks[p], map(places.index, _donors(blocks[p]))) for p in places)


@dataclass(frozen=True)
class SearchSpace:
    """What may be searched: classes, number of blocks, rules, sharing, what candidates are stored in."""

    name: str
    description: str
    classes: tuple[BlockClass, ...]
    blocks: int
    """Most blocks that a genome may have, repetitions left out."""
    min_blocks: int | None = None
    """Fewest blocks; by default `blocks`."""
    rules: tuple[Rule, ...] = ()
    """What the blocks of a genome must meet, repetitions left out."""
    references: tuple[str, ...] = ()
    """Reference layouts that this space was made to contain or beat."""
    sharing: Sharing | None = None
    recurrence: Recurrence | None = None
    stored: StoredChoices = field(default_factory=StoredChoices)

    def __post_init__(self) -> None:
        try:
            self._check()
        except InvalidInput as error:
            raise InvalidInput(f"space {self.name}: {error}") from None

    def _check(self) -> None:
        if not 1 <= self.blocks <= MAX_BLOCKS:
            raise InvalidInput(f"blocks = {self.blocks}; legal: 1 to {MAX_BLOCKS}")
        if not 1 <= self.fewest <= self.blocks:
            raise InvalidInput(f"min_blocks = {self.min_blocks}; legal: 1 to blocks = {self.blocks}")
        if not self.classes or not all(c.variants for c in self.classes):
            raise InvalidInput("every class needs at least one variant")
        weights = [c.weight for c in self.classes]
        if not (all(0 <= weight < inf for weight in weights) and sum(weights) > 0):
            raise InvalidInput(f"weights = {weights}; legal: 0 or more each, and one above 0")
        if self.sharing is not None and self.sharing.groups < 1:
            raise InvalidInput(f"sharing.groups = {self.sharing.groups}; legal: 1 or more")
        if self.recurrence is not None and (
            min(self.recurrence.group, self.recurrence.times) < 1
            or self.blocks * self.recurrence.times > MAX_BLOCKS
        ):
            raise InvalidInput(
                f"recurrence: group = {self.recurrence.group}, times = {self.recurrence.times} with blocks = "
                f"{self.blocks}; legal: 1 or more each, and at most {MAX_BLOCKS} blocks with all repetitions"
            )
        for rule in self.rules:
            rule.check(self.fewest)

    @property
    def fewest(self) -> int:
        """Fewest blocks that a genome may have."""
        return self.blocks if self.min_blocks is None else self.min_blocks

    @property
    def depth(self) -> int:
        """Most blocks that a layout may have, repetitions included."""
        return self.blocks * (self.recurrence.times if self.recurrence else 1)

    def with_blocks(self, blocks: int, min_blocks: int | None = None) -> "SearchSpace":
        """The same space at another number of blocks; `min_blocks` by default as before, where it fits."""
        if min_blocks is None and self.min_blocks is not None:
            min_blocks = min(self.min_blocks, blocks)
        return replace(self, blocks=blocks, min_blocks=min_blocks)

    @cached_property
    def gene_names(self) -> tuple[str, ...]:
        """What the genes of a block mean, in order."""
        variant = ("variant",) if any(len(c.variants) > 1 for c in self.classes) else ()
        return ("class", *variant, *(GENES if self.sharing else ()))

    @property
    def genes_per_block(self) -> int:
        """Class, variant where any class has several, and four for sharing."""
        return len(self.gene_names)

    @property
    def own_genes(self) -> int:
        """Number of a block's genes that are not about sharing: class and variant."""
        return self.genes_per_block - (len(GENES) if self.sharing else 0)

    @cached_property
    def size(self) -> int:
        """Number of genomes, before rules, what operators can share and repeated meanings."""
        groups = self.sharing.groups if self.sharing else 0
        sharing = groups**2 * len(STRATEGIES[0]) * len(STRATEGIES[1]) if self.sharing else 1
        unit = sharing * sum(len(c.variants) for c in self.classes)
        layouts = sum(int(unit**length) for length in range(self.fewest, self.blocks + 1))
        return layouts * prod(len(dtypes) for _, dtypes in self.stored.genes)

    @property
    def variants(self) -> dict[str, Block]:
        """Every block of the alphabet, by its class and itself."""
        return {
            f"class {each.name} ({variant})": variant for each in self.classes for variant in each.variants
        }

    def check_scale(self, scale: Scale) -> None:
        """Raise `InvalidInput` naming each variant that has no whole sizes at a scale."""
        problems = []
        for variant in self.variants.values():
            try:
                variant.at(scale)
            except InvalidInput as error:
                problems.append(str(error))
        if problems:
            raise InvalidInput(f"space {self.name}: {'; '.join(problems)}")

    @property
    def stored_genes(self) -> int:
        """Number of genes behind the blocks, one for each choice of what to store in."""
        return len(self.stored.genes)

    def units(self, genome: Genome) -> list[Genome]:
        """The genes of each block."""
        return units(genome[: len(genome) - self.stored_genes], self.genes_per_block)

    def tail(self, genome: Genome) -> Genome:
        """The genes behind the blocks."""
        return genome[max(0, len(genome) - self.stored_genes) :]

    def text(self, genome: Genome) -> str:
        """The text form of a genome."""
        return genome_text(genome, self.genes_per_block, self.stored_genes)

    def legal(self, unit: Genome, gene: int) -> Sequence[int]:
        """The legal values of a gene, given that those before it are legal."""
        match self.gene_names[gene]:
            case "class":
                return range(1, len(self.classes) + 1)
            case "variant":
                return range(1, len(self.classes[unit[0] - 1].variants) + 1)
            case "weights strategy":
                return legal_strategies(self.block(unit), 0)
            case "feature strategy":
                return legal_strategies(self.block(unit), 1)
            case _:
                return range(1, self.sharing.groups + 1) if self.sharing else range(0)

    def block(self, unit: Genome) -> Block:
        """The block that legal genes spell, what it shares left out."""
        variant = unit[1] if self.own_genes > 1 else 1
        return self.classes[unit[0] - 1].variants[variant - 1]

    def decode(self, genome: Genome) -> Layout:
        """The layout that a genome spells.

        Raises `IllegalGenome`, an `InvalidInput`, naming block, gene, value and what is legal.
        """
        spelt = self.units(genome)
        self._check_length(len(genome))
        for index, unit in enumerate(spelt):
            self._check_unit(index, unit)
        tail = self.tail(genome)
        self._check_tail(len(spelt), tail)
        blocks = tuple(self.block(unit) for unit in spelt)
        for rule in self.rules:
            if problem := rule.broken_by(Layout(blocks)):
                raise IllegalGenome(f"space {self.name}: {problem}", "rule")
        if self.sharing is not None:
            own = self.own_genes
            try:
                blocks = read_shares(blocks, [unit[own:] for unit in spelt])
            except IllegalGenome as problem:
                raise IllegalGenome(str(problem), "sharing", problem.block, own + problem.gene) from None
        blocks = blocks if self.recurrence is None else self.recurrence.extend(blocks)
        return Layout(blocks, **self.stored.read(tail))

    def _check_length(self, genes: int) -> None:
        each, tail = self.genes_per_block, self.stored_genes
        count, rest = divmod(genes - tail, each)
        if rest or not self.fewest <= count <= self.blocks:
            fewest = f"{self.fewest} to " if self.fewest < self.blocks else ""
            least = f"{each * self.fewest + tail} to " if self.fewest < self.blocks else ""
            stored = f", {tail} for what it is stored in" if tail else ""
            message = (
                f"a genome of space {self.name} has {least}{each * self.blocks + tail} integers "
                f"({each} for each of {fewest}{self.blocks} blocks{stored}); found {genes}"
            )
            raise InvalidInput(message) if rest or count < 0 else IllegalGenome(message, "length")

    def _check_unit(self, index: int, unit: Genome) -> None:
        for gene, (name, value) in enumerate(zip(self.gene_names, unit, strict=True)):
            legal = self.legal(unit, gene)
            if value not in legal:
                of = f" of class {unit[0]} ({self.classes[unit[0] - 1].name})" if gene else ""
                numbers = (
                    f"{legal[0]} to {legal[-1]}" if isinstance(legal, range) else ", ".join(map(str, legal))
                )
                strategies = STRATEGIES[name.startswith("feature")] if name.endswith("strategy") else ()
                cause: Cause = "sharing" if 1 <= value <= len(strategies) else "range"
                raise IllegalGenome(
                    f"block {index}: {name} {value}{of}; legal: {numbers}", cause, index, gene
                )

    def _check_tail(self, blocks: int, tail: Genome) -> None:
        for gene, ((what, dtypes), value) in enumerate(zip(self.stored.genes, tail, strict=True)):
            if value not in (legal := self.stored.legal(gene)):
                raise IllegalGenome(
                    f"behind the blocks: {what} {value}; legal: 1 to {legal[-1]} ({', '.join(dtypes)})",
                    "range",
                    blocks,
                    gene,
                )

    def encode(self, layout: Layout) -> Genome:
        """The genome that spells a layout, so `decode` gives the layout back.

        Raises `InvalidInput` naming a block outside the alphabet, a wrong length, sharing or a type to store
        in that the space does not have, or a broken rule.
        """
        where = f"space {self.name}"
        blocks = layout.blocks
        try:
            if self.recurrence is not None:
                blocks = self.recurrence.first_passes(blocks)
            shares = write_shares(blocks, self.sharing.groups if self.sharing else 0)
            tail = self.stored.write(layout.stored)
        except InvalidInput as error:
            raise InvalidInput(f"{where} does not contain {layout}: {error}") from None
        if not self.fewest <= len(blocks) <= self.blocks:
            fewest = f"{self.fewest} to " if self.fewest < self.blocks else ""
            raise InvalidInput(
                f"a layout of {where} has {fewest}{self.blocks} blocks; found {len(blocks)}: {layout}"
            )
        codes = {
            variant: (letter, number)[: self.own_genes]
            for letter, block_class in enumerate(self.classes, 1)
            for number, variant in enumerate(block_class.variants, 1)
        }
        for index, block in enumerate(blocks):
            if block.alone not in codes:
                legal = ", ".join(str(variant) for variant in codes)
                raise InvalidInput(f"block {index} ({block}) is not in {where}; it has: {legal}")
        genome = joined(
            (*codes[block.alone], *(four if self.sharing else ()))
            for block, four in zip(blocks, shares, strict=True)
        )
        genome += tail
        if self.decode(genome) != layout:
            raise InvalidInput(f"{where} does not contain {layout}; the nearest: {self.decode(genome)}")
        return genome


def block_class(name: str, *variants: str, weight: float = 1.0) -> BlockClass:
    """A class of the alphabet from the text of its variants."""
    blocks = tuple(block for text in variants for block in parse_layout(text))
    duplicates = [str(block) for block, count in Counter(blocks).items() if count > 1]
    if duplicates:
        raise InvalidInput(f"class {name}: repeated variants: {', '.join(duplicates)}")
    return BlockClass(name, blocks, weight)


def _donors(block: Block) -> list[int]:
    return [share.donor for share in block.shares]


def _moved(block: Block, donors: Iterable[int]) -> Block:
    shares = zip(block.shares, donors, strict=True)
    return replace(block, shares=tuple(Share(what=share.what, donor=donor) for share, donor in shares))
