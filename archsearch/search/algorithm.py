"""What every search algorithm is: ask for genomes, tell what was judged.

An algorithm is a frozen value of settings. What it has learnt is a state that `tell` returns anew, its
randomness the generator given to `ask`, so the same campaign with the same seed goes the same way again. It
knows nothing of scales, training or files: the campaign's loop (`archsearch.search.generations`) leaves out
genomes that it has seen or that a bound rejects, and tells only what was judged.

A new algorithm is one file with a class like `archsearch.search.nsga2.Nsga2`, and one row of
`archsearch.campaign.sections.ALGORITHMS`; `tests/archsearch/search/test_conformance.py` then examines it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar

import numpy as np

from archsearch.campaign.objectives import Objective
from archsearch.campaign.sections import ALGORITHMS, SearchSection
from genomes import Genome, Repaired, SearchSpace, random_genome

State = TypeVar("State")


@dataclass(frozen=True)
class Judged:
    """A candidate as an algorithm sees it."""

    id: str
    """The candidate's fingerprint."""
    genome: Genome
    values: tuple[float, ...]
    """Value of each objective in the campaign's order and the objectives' own units; never NaN."""
    rung: int = 0
    """The last rung that it reached, at which its quality is measured: values of different rungs cannot be
    compared, and whoever was promoted further was better at the rung below."""


class Algorithm(Protocol[State]):
    """How a search goes on from what was judged."""

    def start(self) -> State:
        """The state before anything is judged."""

    def ask(self, state: State, rng: np.random.Generator) -> Iterator[Repaired]:
        """Legal genomes to judge next, without end; who asks takes as many as are needed.

        From the first state they are random ones, later children of `parents`.
        """

    def tell(self, state: State, judged: Sequence[Judged]) -> State:
        """The state after these were judged; one of `parents` that is among them has new values.

        What was asked and is not among them was seen before, rejected, or has failed.
        """

    def parents(self, state: State) -> Sequence[Judged]:
        """The candidates that children are made from; they may be trained further, and told again."""

    def ranked(self, judged: Sequence[Judged]) -> list[Judged]:
        """The same candidates, best first: the order in which those of one rung are trained further."""


def make_algorithm(
    search: SearchSection, space: SearchSpace, objectives: Sequence[Objective]
) -> Algorithm[Any]:
    """The algorithm that a campaign names."""
    module, _, name = ALGORITHMS[search.algorithm].partition(":")
    algorithm: Algorithm[Any] = getattr(import_module(module), name)(search, space, tuple(objectives))
    return algorithm


def random_genomes(space: SearchSpace, rng: np.random.Generator) -> Iterator[Repaired]:
    """Random legal genomes, without end."""
    while True:
        yield Repaired(random_genome(space, rng), {})
