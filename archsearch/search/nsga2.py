"""The genetic algorithm NSGA-II (Deb et al., IEEE TEC 6(2), 2002), with DEAP's sorting and crowding distance.

Its state is the population of parents, best first, each with the front that it lies on and its crowding
distance there. A generation's children compete with their parents for the places. Values are compared within
a rung alone; all that reached a higher one come before those of a lower.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from deap import base, tools
from deap.tools import emo

from archsearch.campaign.dominance import dominations
from archsearch.campaign.objectives import Objective
from archsearch.campaign.sections import SearchSection
from archsearch.search.algorithm import Judged, random_genomes
from genomes import Repaired, SearchSpace, crossover, homologous, mutate, repair, restructure


@dataclass(frozen=True)
class Ranked:
    """A candidate and its place among others."""

    judged: Judged
    front: int
    """Number of the front that it lies on, 0 the best; fronts of a lower rung follow those of a higher."""
    crowding: float
    """How far its neighbours on that front are: the sum of their distances by objective, each as a share of
    the front's extent; infinite at its ends."""

    @property
    def place(self) -> tuple[int, float]:
        """What candidates are sorted by, the best first: front, then room around them."""
        return self.front, -self.crowding


Population = tuple[Ranked, ...]
"""Parents, best first."""


@dataclass(frozen=True)
class Nsga2:
    """NSGA-II with the campaign's settings."""

    search: SearchSection
    space: SearchSpace
    objectives: tuple[Objective, ...]

    def start(self) -> Population:
        """An empty population."""
        return ()

    def ask(self, state: Population, rng: np.random.Generator) -> Iterator[Repaired]:
        """Random genomes at first, then children of tournament winners: crossed, mutated, restructured,
        repaired.

        Parents of one length are crossed at the same places, others where their classes align.
        """
        if not state:
            yield from random_genomes(self.space, rng)
        space, search = self.space, self.search
        while True:
            first, second = (tournament(state, search.tournament, rng).judged.genome for _ in range(2))
            cross = crossover if len(first) == len(second) else homologous
            for child in cross(first, second, space, search.crossover_points, rng):
                mutated = mutate(child, space, search.mutation, rng)
                yield repair(restructure(mutated, space, search.structural, rng), space, rng)

    def tell(self, state: Population, judged: Sequence[Judged]) -> Population:
        """The best of parents and children."""
        news = {each.id: each for each in judged}
        pool = [news.pop(parent.id, parent) for parent in self.parents(state)]
        return rank([*pool, *news.values()], self.objectives)[: self.search.population]

    def parents(self, state: Population) -> Sequence[Judged]:
        """The whole population."""
        return [each.judged for each in state]

    def ranked(self, judged: Sequence[Judged]) -> list[Judged]:
        """By rung, then by front, then by crowding distance."""
        return [each.judged for each in rank(judged, self.objectives)]


def rank(judged: Sequence[Judged], objectives: Sequence[Objective]) -> Population:
    """All candidates by rung, front and crowding distance, best first; of equals the earlier one."""
    ranked: Population = ()
    for rung in sorted({each.rung for each in judged}, reverse=True):
        first = ranked[-1].front + 1 if ranked else 0
        ranked += _rank([each for each in judged if each.rung == rung], objectives, first)
    return ranked


def _rank(judged: Sequence[Judged], objectives: Sequence[Objective], first: int) -> Population:
    """Candidates of one rung, whose best front has the number `first`."""
    beats = dominations([each.values for each in judged], objectives)
    pool = [
        _Individual(each, _Fitness(each, objectives, index, beats[index].tobytes()))
        for index, each in enumerate(judged)
    ]
    fronts = tools.sortNondominated(pool, len(pool))
    for number, front in enumerate(fronts, first):
        emo.assignCrowdingDist(front)
        for individual in front:
            individual.front = number
    places = (Ranked(i.judged, i.front, i.fitness.crowding_dist) for i in pool)
    return tuple(sorted(places, key=lambda each: each.place))


def tournament(population: Population, size: int, rng: np.random.Generator) -> Ranked:
    """The best of `size` drawn, of equals the first drawn."""
    drawn = [population[int(i)] for i in rng.integers(len(population), size=size)]
    return min(drawn, key=lambda each: each.place)


class _Fitness(base.Fitness):  # type: ignore[misc]
    """DEAP's fitness, compared as the front is.

    Sorting compares the members of a pool thousands of times, so all comparisons are made beforehand: `beats`
    has a byte for each member of the pool, 1 where this one dominates it.
    """

    def __init__(self, judged: Judged, objectives: Sequence[Objective], index: int, beats: bytes) -> None:
        self.weights = tuple(1.0 if o.direction == "max" else -1.0 for o in objectives)
        self.index, self.beats = index, beats
        super().__init__(judged.values)

    def dominates(self, other: "_Fitness", obj: slice = slice(None)) -> bool:
        """What DEAP's sorting asks; it hands on equal values together, so none of them is lost."""
        del obj  # always all objectives
        return self.beats[other.index] == 1


@dataclass
class _Individual:
    """What DEAP sorts: it reads `fitness` and writes the crowding distance into it."""

    judged: Judged
    fitness: _Fitness
    front: int = 0
