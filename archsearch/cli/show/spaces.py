"""What `archsearch spaces` prints: the search spaces, or all that there is to know of one."""

from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum

import numpy as np
from rich.console import Console

from archsearch.cli.show.tables import new_table
from genomes import LIV_CLASSES, PRESETS, SearchSpace, preset, random_genome
from genomes.sharing_genes import STRATEGIES
from genomes.star import ChannelMixing, FeaturizerGenome, LivClass, Nonlinearity, Sparsity, TokenMixing
from genomes.transfer import shortest_length


def spaces(name: str | None, console: Console) -> None:
    """All search spaces, or one in full."""
    if name is not None:
        _space(preset(name), console)
        return
    table = new_table("search spaces", "preset", "blocks", "classes", "genomes", "sharing", "about")
    for space in PRESETS.values():
        shared = [f"{space.sharing.groups} groups"] if space.sharing else []
        shared += [f"{space.recurrence.times} passes"] if space.recurrence else []
        table.add_row(
            space.name,
            _blocks(space),
            str(len(space.classes)),
            _power(space.size),
            ", ".join(shared) or "none",
            space.description.partition(". ")[0].removesuffix("."),
        )
    console.print(table)


def _space(space: SearchSpace, console: Console) -> None:
    def say(text: str, copied: bool = False) -> None:
        """A line; one to be copied is left whole."""
        console.print(text, highlight=False, markup=False, soft_wrap=copied)

    say(f"{space.name}: {space.description}\n")
    if r := space.recurrence:
        say(f"recurrence: every {r.group} blocks of a genome run {r.times} times with the same weights")
    genomes = f"{space.size:,} genomes ({_power(space.size)})"
    say(f"{_blocks(space)} blocks, {genomes}, those included that break a rule\n", copied=True)
    shortest = shortest_length(space.variants.values())
    say(f"budget.length: at least {shortest} tokens, of which windows and filters may span a quarter\n")
    table = new_table("genes of a block", "gene", "legal", "meaning")
    for gene, legal, meaning in _genes(space):
        table.add_row(gene, legal, meaning)
    console.print(table)
    table = new_table("classes", "class", "kind", "weight", "variants")
    for number, block_class in enumerate(space.classes, 1):
        lines = [str(variant) for variant in block_class.variants]
        if "variant" in space.gene_names:
            lines = [f"{index} {line}" for index, line in enumerate(lines, 1)]
        kind, weight = block_class.variants[0].operator.kind, f"{block_class.weight:g}"
        table.add_row(f"{number} {block_class.name}", kind, weight, "\n".join(lines))
    console.print(table)
    if published := [liv for liv in LIV_CLASSES if liv.name in {c.name for c in space.classes}]:
        _star_genomes(published, console)
    for rule in space.rules:
        say(f"rule: {rule.text}")
    say(f"references: {', '.join(space.references)}")
    genome = random_genome(space, np.random.default_rng(0))
    say(f"\na random genome: {space.text(genome)}", copied=True)
    say(f"its layout: {space.decode(genome)}", copied=True)


def _genes(space: SearchSpace) -> Iterator[tuple[str, str, str]]:
    """Name, legal values and meaning of each gene."""
    most = max(len(block_class.variants) for block_class in space.classes)
    groups = f"1 to {space.sharing.groups}" if space.sharing else ""
    for gene in space.gene_names:
        match gene:
            case "class":
                yield gene, f"1 to {len(space.classes)}", "a class of the table below"
            case "variant":
                yield gene, f"1 to {most}", "a variant of the class, of as many as it has"
            case "weights group" | "feature group":
                yield gene, groups, "which blocks share with each other: those of one group and strategy"
            case _:
                strategies = STRATEGIES[gene.startswith("feature")]
                what = ", ".join(f"{number} {what or 'nothing'}" for number, what in enumerate(strategies, 1))
                yield gene, f"1 to {len(strategies)}", f"what they share, if their operator can: {what}"


def _star_genomes(published: list[LivClass], console: Console) -> None:
    """STAR's own integers for the classes, and a legend."""
    table = new_table("genomes in STAR", "class", "operator", "featurizers", "what is known")
    for liv in published:
        groups: dict[FeaturizerGenome, list[str]] = {}
        for group, features in liv.features.items():
            groups.setdefault(features, []).append(group)
        lines = [f"{' '.join(names)}: {_featurizer_text(features)}" for features, names in groups.items()]
        note = liv.note.partition(";")[0] if liv.differential else liv.note
        table.add_row(f"{liv.number} {liv.name}", str(liv.operator), "\n".join(lines), note)
    console.print(table)
    legend = new_table("genes of operators and featurizers", "gene", "values")
    legend.add_row("featurizer (of operators)", "1 to 9: the class that the featurizers stand in")
    for name, values in (
        ("token mixing", TokenMixing),
        ("sparsity", Sparsity),
        ("nonlinearity", Nonlinearity),
        ("channel mixing", ChannelMixing),
    ):
        legend.add_row(name, _values_text(values))
    legend.add_row("expansion x repeat (of featurizers)", "features of a channel x heads that read the same")
    console.print(legend)


def _featurizer_text(features: FeaturizerGenome) -> str:
    *codes, expansion, repeat = features
    return "".join(str(int(code)) for code in codes) + f" {expansion}x{repeat}"


def _values_text(values: type[IntEnum]) -> str:
    return ", ".join(f"{value} {value.name.lower().replace('_', '-')}" for value in values)


def _blocks(space: SearchSpace) -> str:
    """How many blocks a layout has."""
    times = space.recurrence.times if space.recurrence else 1
    return " to ".join(str(times * blocks) for blocks in sorted({space.fewest, space.blocks}))


def _power(size: int) -> str:
    """A count as 1.1e+11; it can be past what a float holds."""
    return f"{Decimal(size):.1e}"
