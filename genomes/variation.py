"""Variation: random genomes, crossover, mutation and repair, as functions on an explicit generator.

They never change what they are given. Crossover and mutation may break the rules of a space and what its
blocks share; `repair` mends by drawing genes anew and says how many, by cause. Genes of what a candidate is
stored in, where a space has them, stand behind the blocks: those are mutated and crossed one by one, and no
change of the blocks touches them.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genomes.errors import InvalidInput
from genomes.genome import Cause, Genome, IllegalGenome, joined
from genomes.layout import Layout
from genomes.space import SearchSpace

ATTEMPTS = 1000
"""Corrections of one genome before its space counts as impossible."""
_CUT_DRAWS = 32
"""Cuts of parents of other lengths that are tried for children of legal length."""


class Repaired(NamedTuple):
    """A legal genome, and how many genes were drawn anew, cut off or added to make it one, by cause."""

    genome: Genome
    redrawn: dict[Cause, int]


def random_genome(space: SearchSpace, rng: np.random.Generator) -> Genome:
    """A legal genome: classes drawn by their weights, all else evenly."""
    fewest = space.fewest
    length = fewest if fewest == space.blocks else int(rng.integers(fewest, space.blocks + 1))
    blocks = [_random_unit(space, rng) for _ in range(length)]
    return repair(joined(blocks) + _random_tail(space, rng), space, rng).genome


def crossover(
    first: Genome, second: Genome, space: SearchSpace, points: int, rng: np.random.Generator
) -> tuple[Genome, Genome]:
    """Two children that alternate between parents of one length at `points` cuts between blocks.

    Each gene behind the blocks goes to either child by chance. n-point crossover; STAR uses 2 (arXiv
    2411.17800, section 4). Fewer cuts are made where there are fewer places.
    """
    if len(first) != len(second):
        raise InvalidInput(f"parents of {len(first)} and {len(second)} genes cannot be crossed")
    a, b = space.units(first), space.units(second)
    places = len(a) - 1
    cuts = rng.choice(places, size=min(points, places), replace=False) + 1 if places else ()
    one, two = _alternate(a, b, sorted((int(cut), int(cut)) for cut in cuts))
    return _with_tails(one, two, first, second, space, rng)


def homologous(
    first: Genome, second: Genome, space: SearchSpace, points: int, rng: np.random.Generator
) -> tuple[Genome, Genome]:
    """Two children of parents of any lengths, cut where both have the same class of block.

    The parents are aligned by a longest common subsequence of their classes, as in synapsing variable-length
    crossover (Hutt and Warwick, IEEE TEC 11(1), 2007); cuts lie before aligned blocks. Cuts that give a child
    too many or too few blocks are drawn again; where none are found, the children have the parents' blocks.
    Each gene behind the blocks goes to either child by chance.
    """
    a, b = space.units(first), space.units(second)
    places = [pair for pair in _aligned([u[0] for u in a], [u[0] for u in b]) if pair != (0, 0)]
    for _ in range(_CUT_DRAWS if places else 0):
        chosen = rng.choice(len(places), size=min(points, len(places)), replace=False)
        one, two = _alternate(a, b, [places[i] for i in sorted(chosen)])
        lengths = {len(child) // space.genes_per_block for child in (one, two)}
        if space.fewest <= min(lengths) and max(lengths) <= space.blocks:
            break
    else:
        one, two = joined(a), joined(b)
    return _with_tails(one, two, first, second, space, rng)


def _alternate(a: list[Genome], b: list[Genome], cuts: Sequence[tuple[int, int]]) -> tuple[Genome, Genome]:
    """Children that change the parent that they copy at each cut, given as a place in both."""
    children: tuple[list[Genome], list[Genome]] = ([], [])
    bounds = [(0, 0), *cuts, (len(a), len(b))]
    for turn, ((i, j), (next_i, next_j)) in enumerate(pairwise(bounds)):
        children[turn % 2].extend(a[i:next_i])
        children[1 - turn % 2].extend(b[j:next_j])
    return joined(children[0]), joined(children[1])


def _with_tails(
    one: Genome, two: Genome, first: Genome, second: Genome, space: SearchSpace, rng: np.random.Generator
) -> tuple[Genome, Genome]:
    """Children of blocks alone, each gene behind the blocks from either parent."""
    if not space.stored_genes:
        return one, two
    pairs = zip(space.tail(first), space.tail(second), rng.random(space.stored_genes) < 0.5, strict=True)
    tails = [(b, a) if swapped else (a, b) for a, b, swapped in pairs]
    return one + tuple(a for a, _ in tails), two + tuple(b for _, b in tails)


def _aligned(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Places of a longest common subsequence in both."""
    best = np.zeros((len(a) + 1, len(b) + 1), int)
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            best[i, j] = best[i + 1, j + 1] + 1 if a[i] == b[j] else max(best[i + 1, j], best[i, j + 1])
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i + 1, j] >= best[i, j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def mutate(genome: Genome, space: SearchSpace, rate: float, rng: np.random.Generator) -> Genome:
    """Each gene is drawn anew with probability `rate`: a class by its weight, its variant with it; all else
    evenly."""
    child = []
    for unit in space.units(genome):
        changes = rng.random(len(unit)) < rate
        if changes[0]:
            unit = _with_class(unit, space, rng)
        for gene in range(1, len(unit)):
            drawn_with_class = changes[0] and gene < space.own_genes
            if changes[gene] and not drawn_with_class and _is_block(unit[:gene], space):
                unit = _with_gene(unit, gene, space, rng)
        child.append(unit)
    tail = space.tail(genome)
    if tail:
        drawn, changes = _random_tail(space, rng), rng.random(len(tail)) < rate
        tail = tuple(new if change else old for new, old, change in zip(drawn, tail, changes, strict=True))
    return joined(child) + tail


def swap(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """Two blocks change places."""
    blocks = space.units(genome)
    if len(blocks) > 1:
        i, j = rng.choice(len(blocks), size=2, replace=False)
        blocks[i], blocks[j] = blocks[j], blocks[i]
    return joined(blocks) + space.tail(genome)


def insert(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """A random block comes in at a random place."""
    blocks = space.units(genome)
    blocks.insert(int(rng.integers(len(blocks) + 1)), _random_unit(space, rng))
    return joined(blocks) + space.tail(genome)


def delete(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """A block is taken out."""
    blocks = space.units(genome)
    del blocks[int(rng.integers(len(blocks)))]
    return joined(blocks) + space.tail(genome)


def duplicate(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """A run of blocks stands twice, one after the other; no longer than there is room for, at least one."""
    blocks = space.units(genome)
    length = int(rng.integers(max(1, min(len(blocks), space.blocks - len(blocks))))) + 1
    end = int(rng.integers(length, len(blocks) + 1))
    return joined(blocks[:end] + blocks[end - length :]) + space.tail(genome)


def restructure(genome: Genome, space: SearchSpace, rate: float, rng: np.random.Generator) -> Genome:
    """With probability `rate` one of `swap`, `insert`, `delete`, `duplicate`.

    One of those that keep a legal number of blocks, so in a space of one length only `swap`.
    """
    if rng.random() >= rate:
        return genome
    length = len(space.units(genome))
    operations: list[Callable[[Genome, SearchSpace, np.random.Generator], Genome]] = [swap]
    if length < space.blocks:
        operations += [insert, duplicate]
    if length > space.fewest:
        operations.append(delete)
    return operations[int(rng.integers(len(operations)))](genome, space, rng)


def repair(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Repaired:
    """A legal genome near this one.

    Blocks too many are cut and too few are added, at random places. Genes out of range are drawn anew. Where
    a rule is broken, a random one of the blocks that it calls wrong becomes one that fits, of its own class
    where there is one. Where a block cannot share what it says, its genes for that are drawn anew, and no
    others (STAR, arXiv 2411.17800, section 4). Raises `InvalidInput` where the rules cannot be met by chance.
    """
    redrawn: dict[Cause, int] = {}
    for _ in range(ATTEMPTS + len(genome)):
        try:
            space.decode(genome)
        except IllegalGenome as problem:
            genome, genes = _mended(genome, problem, space, rng)
            redrawn[problem.cause] = redrawn.get(problem.cause, 0) + genes
        else:
            return Repaired(genome, redrawn)
    raise _impossible(space, len(space.units(genome)))


def _mended(
    genome: Genome, problem: IllegalGenome, space: SearchSpace, rng: np.random.Generator
) -> tuple[Genome, int]:
    """The genome with one correction, and the number of genes that it took."""
    blocks, tail = space.units(genome), space.tail(genome)
    index, gene = problem.block, problem.gene
    match problem.cause:
        case "length":
            few = len(blocks) < space.fewest
            changed = insert(genome, space, rng) if few else delete(genome, space, rng)
            return changed, space.genes_per_block
        case "rule":
            genes = _mend_rule(blocks, space, rng)
        case "sharing":
            genes = 2
            for each in (gene - 1, gene):  # the group, then the strategy
                blocks[index] = _with_gene(blocks[index], each, space, rng)
        case "range" if index == len(blocks):
            tail = (*tail[:gene], _random_tail(space, rng)[gene], *tail[gene + 1 :])
            genes = 1
        case "range":
            before = blocks[index]
            if gene:
                blocks[index] = _with_gene(before, gene, space, rng)
            else:
                blocks[index] = _with_class(before, space, rng)
            genes = 1 if gene else space.own_genes
    return joined(blocks) + tail, genes


def _mend_rule(blocks: list[Genome], space: SearchSpace, rng: np.random.Generator) -> int:
    """Put a block that fits in the place of one that breaks the first broken rule."""
    layout = Layout(tuple(space.block(unit) for unit in blocks))
    rule = next(rule for rule in space.rules if rule.broken_by(layout))
    wrong = rule.wrong(layout)
    index = wrong[int(rng.integers(len(wrong)))]
    fitting = {
        (letter, number): block_class.weight / len(block_class.variants)
        for letter, block_class in enumerate(space.classes, 1)
        for number, variant in enumerate(block_class.variants, 1)
        if block_class.weight and rule.fits(layout, index, variant)
    }
    own = {code: weight for code, weight in fitting.items() if code[0] == blocks[index][0]} or fitting
    if not own:
        raise _impossible(space, len(blocks))
    weights = np.array(list(own.values()))
    code = list(own)[int(rng.choice(len(own), p=weights / weights.sum()))]
    own_genes = space.own_genes
    blocks[index] = code[:own_genes] + blocks[index][own_genes:]
    return own_genes


def _impossible(space: SearchSpace, blocks: int) -> InvalidInput:
    return InvalidInput(
        f"space {space.name}: no genome of {blocks} blocks that meets its rules was found; "
        "loosen the rules, or allow more blocks"
    )


def _random_unit(space: SearchSpace, rng: np.random.Generator) -> Genome:
    """A block's genes: class by weight, then all others evenly."""
    unit = _with_class((1,) * space.genes_per_block, space, rng)
    for gene in range(space.own_genes, space.genes_per_block):
        unit = _with_gene(unit, gene, space, rng)
    return unit


def _random_tail(space: SearchSpace, rng: np.random.Generator) -> Genome:
    """The genes behind the blocks, drawn evenly."""
    legal = (space.stored.legal(gene) for gene in range(space.stored_genes))
    return tuple(int(values[int(rng.integers(len(values)))]) for values in legal)


def _is_block(unit: Genome, space: SearchSpace) -> bool:
    """Whether the genes, as far as given, are those of a block of the space."""
    return all(unit[gene] in space.legal(unit, gene) for gene in range(min(len(unit), space.own_genes)))


def _with_class(unit: Genome, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """The genes with a class drawn by weight, and a variant of it."""
    weights = np.array([block_class.weight for block_class in space.classes])
    letter = int(rng.choice(len(weights), p=weights / weights.sum())) + 1
    unit = (letter, *unit[1:])
    return _with_gene(unit, 1, space, rng) if space.own_genes > 1 else unit


def _with_gene(unit: Genome, gene: int, space: SearchSpace, rng: np.random.Generator) -> Genome:
    """The genes with one drawn evenly from its legal values; those before it are legal."""
    legal = space.legal(unit, gene)
    return (*unit[:gene], int(legal[int(rng.integers(len(legal)))]), *unit[gene + 1 :])
