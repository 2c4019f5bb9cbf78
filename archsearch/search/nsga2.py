"""The genetic algorithm: NSGA-II (Deb et al., IEEE TEC 6(2), 2002) by DEAP's selection, in our own loop.

Ask and tell: `children` makes genomes from a population, the campaign judges them, `survivors` keeps the
best. Only judged individuals come here, so no value is missing or NaN. Randomness comes from the generator
given, never from a global one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from deap import base, tools
from deap.tools import emo

from archsearch.campaign import dominance
from archsearch.campaign.objectives import Objective
from archsearch.campaign.sections import SearchSection
from genomes import Genome, Repaired, SearchSpace, crossover, homologous, mutate, repair, restructure


class Fitness(base.Fitness):  # type: ignore[misc]
    """DEAP's fitness of given objectives, compared as the front is."""

    def __init__(self, values: Sequence[float], objectives: Sequence[Objective]) -> None:
        self.objectives, self.given = tuple(objectives), tuple(values)
        self.weights = tuple(1.0 if o.direction == "max" else -1.0 for o in objectives)
        super().__init__(self.given)

    def dominates(self, other: "Fitness", obj: slice = slice(None)) -> bool:
        """What DEAP's sorting asks; it hands on equal values together, so none of them is lost."""
        return dominance.dominates(self.given[obj], other.given[obj], self.objectives[obj])


@dataclass(eq=False)
class Individual:
    """A judged genome."""

    fingerprint: str
    genome: Genome
    fitness: Fitness
    rank: int = 0
    """Front that it lies on, 0 the best; set by `survivors`."""


def survivors(pool: Sequence[Individual], size: int) -> list[Individual]:
    """The best `size` by front and crowding distance, best first, with `rank` set."""
    if not pool:
        return []
    for rank, front in enumerate(tools.sortNondominated(pool, len(pool))):
        emo.assignCrowdingDist(front)
        for individual in front:
            individual.rank = rank
    return sorted(pool, key=lambda i: (i.rank, -i.fitness.crowding_dist))[:size]


def tournament(population: Sequence[Individual], size: int, rng: np.random.Generator) -> Individual:
    """The best of `size` drawn: lower rank, then larger crowding distance, then the first drawn."""
    drawn = [population[int(i)] for i in rng.integers(len(population), size=size)]
    return min(drawn, key=lambda i: (i.rank, -i.fitness.crowding_dist))


def children(
    parents: Sequence[Individual], space: SearchSpace, search: SearchSection, rng: np.random.Generator
) -> Iterator[Repaired]:
    """Children of tournament winners, without end: crossed, mutated, restructured, repaired.

    Parents of one length are crossed at the same places, others where their classes align.
    """
    while True:
        first, second = (tournament(parents, search.tournament, rng).genome for _ in range(2))
        cross = crossover if len(first) == len(second) else homologous
        for child in cross(first, second, space, search.crossover_points, rng):
            mutated = mutate(child, space, search.mutation, rng)
            yield repair(restructure(mutated, space, search.structural, rng), space, rng)
