"""Variation: random genomes, crossover, mutation and repair, as functions on an explicit generator.

They never change what they are given. Crossover and mutation may break the rules of a space; `repair`
mends by drawing genes anew and says how many.
"""

from typing import NamedTuple

import numpy as np

from genomes.errors import InvalidInput
from genomes.space import GENES_PER_BLOCK, Genome, SearchSpace, units

ATTEMPTS = 1000


class Repaired(NamedTuple):
    """A legal genome, and how many genes were drawn anew to make it one."""

    genome: Genome
    redrawn: int


def random_genome(space: SearchSpace, rng: np.random.Generator) -> Genome:
    """A legal genome: classes drawn by their weights, variants evenly."""
    genome = tuple(gene for _ in range(space.blocks) for gene in _random_unit(space, rng))
    return repair(genome, space, rng).genome


def crossover(first: Genome, second: Genome, points: int, rng: np.random.Generator) -> tuple[Genome, Genome]:
    """Two children that alternate between the parents at `points` cuts between blocks.

    n-point crossover; STAR uses 2 (arXiv 2411.17800, section 4). Fewer cuts are made where there are fewer
    places.
    """
    if len(first) != len(second):
        raise InvalidInput(f"parents of {len(first)} and {len(second)} genes cannot be crossed")
    a, b = units(first), units(second)
    places = len(a) - 1
    cuts = set(rng.choice(places, size=min(points, places), replace=False) + 1) if places else set()
    children: tuple[list[int], list[int]] = ([], [])
    swapped = False
    for index, pair in enumerate(zip(a, b, strict=True)):
        swapped ^= index in cuts
        children[0].extend(pair[swapped])
        children[1].extend(pair[not swapped])
    return tuple(children[0]), tuple(children[1])


def mutate(genome: Genome, space: SearchSpace, rate: float, rng: np.random.Generator) -> Genome:
    """Each gene is drawn anew with probability `rate`: a class by its weight, a variant evenly."""
    child = list(genome)
    for start in range(0, len(genome), GENES_PER_BLOCK):
        change_class, change_variant = rng.random(GENES_PER_BLOCK) < rate
        if change_class:
            child[start : start + GENES_PER_BLOCK] = _random_unit(space, rng)
        elif change_variant and 1 <= child[start] <= len(space.classes):
            child[start + 1] = _random_variant(space, child[start], rng)
    return tuple(child)


def repair(genome: Genome, space: SearchSpace, rng: np.random.Generator) -> Repaired:
    """A legal genome near this one: genes out of range, then blocks at random, are drawn anew.

    Raises `InvalidInput` where the space's rules cannot be met by chance.
    """
    if len(genome) != GENES_PER_BLOCK * space.blocks:
        space.decode(genome)
    child, redrawn = list(genome), 0
    for start in range(0, len(child), GENES_PER_BLOCK):
        if not 1 <= child[start] <= len(space.classes):
            child[start : start + GENES_PER_BLOCK] = _random_unit(space, rng)
            redrawn += GENES_PER_BLOCK
        elif not 1 <= child[start + 1] <= len(space.classes[child[start] - 1].variants):
            child[start + 1] = _random_variant(space, child[start], rng)
            redrawn += 1
    for _ in range(ATTEMPTS):
        try:
            space.decode(tuple(child))
        except InvalidInput:
            start = GENES_PER_BLOCK * int(rng.integers(space.blocks))
            child[start : start + GENES_PER_BLOCK] = _random_unit(space, rng)
            redrawn += GENES_PER_BLOCK
        else:
            return Repaired(tuple(child), redrawn)
    raise InvalidInput(
        f"space {space.name}: no genome that meets its rules was found in {ATTEMPTS} draws; loosen the rules"
    )


def _random_unit(space: SearchSpace, rng: np.random.Generator) -> tuple[int, int]:
    weights = np.array([block_class.weight for block_class in space.classes])
    letter = int(rng.choice(len(weights), p=weights / weights.sum())) + 1
    return letter, _random_variant(space, letter, rng)


def _random_variant(space: SearchSpace, letter: int, rng: np.random.Generator) -> int:
    return int(rng.integers(len(space.classes[letter - 1].variants))) + 1
