"""What NSGA-II does beyond what every algorithm must: fronts, crowding, tournaments, places for the best."""

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsearch.campaign.dominance import nondominated
from archsearch.campaign.objectives import Objective
from archsearch.campaign.sections import SearchSection
from archsearch.search.algorithm import Judged
from archsearch.search.nsga2 import Nsga2, rank, tournament
from genomes import parse_genome, preset, random_genome

SPACE = preset("hybrid").with_blocks(4)
OBJECTIVES = (Objective("parameters", "max"), Objective("state_bytes", "min"))


def made(**settings) -> Nsga2:
    return Nsga2(SearchSection(**settings), SPACE, OBJECTIVES)


def pool(values: list[tuple[float, ...]]) -> list[Judged]:
    rng = np.random.default_rng(0)
    return [Judged(f"{i:016x}", random_genome(SPACE, rng), value) for i, value in enumerate(values)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=14), st.integers(2, 14))
def test_parents_are_the_best_by_front_then_by_crowding(values, size):
    candidates = pool(values)
    algorithm = made(population=size, elites=0)
    kept = algorithm.tell(algorithm.start(), candidates)
    assert len(kept) == min(size, len(values))
    assert len({each.judged.id for each in kept}) == len(kept)
    # front 0 is what nothing dominates, and no parent lies on a later front than one left out
    places = {each.judged.id: each for each in rank(candidates, OBJECTIVES)}
    assert [places[each.id].front == 0 for each in candidates] == nondominated(values, OBJECTIVES)
    order = [each.place for each in kept]
    assert order == sorted(order)
    left = places.keys() - {each.judged.id for each in kept}
    assert all(places[id].place >= order[-1] for id in left)
    assert algorithm.ranked(candidates)[:size] == algorithm.parents(kept)


def test_children_compete_with_their_parents():
    algorithm = made(population=2, elites=0)
    weak, strong, better = pool([(1.0, 9.0), (2.0, 8.0), (3.0, 7.0)])
    state = algorithm.tell(algorithm.start(), [weak, strong])
    assert algorithm.parents(state) == [strong, weak]
    assert algorithm.parents(algorithm.tell(state, [better])) == [better, strong]


def test_nobody_is_ranked_as_nobody():
    assert rank([], OBJECTIVES) == ()


def test_the_ends_of_a_front_have_infinite_room():
    front = rank(pool([(0.0, 0.0), (1.0, 1.0), (4.0, 4.0)]), OBJECTIVES)
    assert [(each.judged.values[0], each.crowding) for each in front] == [
        (0.0, math.inf),
        (4.0, math.inf),
        (1.0, pytest.approx(1.0)),
    ]


def test_a_tournament_of_all_finds_the_best():
    population = rank(pool([(float(i % 7), float(i)) for i in range(20)]), OBJECTIVES)
    rng = np.random.default_rng(1)
    assert tournament(population, 2000, rng).place == (0, -math.inf)
    drawn = {tournament(population, 1, rng).judged.id for _ in range(300)}
    assert len(drawn) == 20


def test_without_mutation_twins_have_their_parents_genome():
    genome = parse_genome("11-71-31-72")
    twins = [Judged(str(i), genome, (1.0, 1.0)) for i in range(2)]
    algorithm = made(population=4, mutation=0.0, structural=0.0)
    state = algorithm.tell(algorithm.start(), twins)
    assert list(islice(algorithm.ask(state, np.random.default_rng(0)), 10)) == [(genome, {})] * 10


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=14))
def test_values_of_different_rungs_are_not_compared(rows):
    """Whoever reached a higher rung comes first; within a rung the order is that of the rung alone."""
    candidates = [
        replace(each, rung=row[2]) for each, row in zip(pool([r[:2] for r in rows]), rows, strict=True)
    ]
    order = made().ranked(candidates)
    rungs = [each.rung for each in order]
    assert rungs == sorted(rungs, reverse=True)
    alone = [made().ranked([each for each in candidates if each.rung == rung]) for rung in (2, 1, 0)]
    assert order == [each for group in alone for each in group]
    fronts = [each.front for each in rank(candidates, OBJECTIVES)]
    assert fronts == sorted(fronts) and set(fronts) == set(range(fronts[-1] + 1))
    assert not {each.front for each in rank(candidates, OBJECTIVES) if each.judged.rung == 0} & {
        each.front for each in rank(candidates, OBJECTIVES) if each.judged.rung > 0
    }


def test_a_parent_told_again_at_a_higher_rung_leads():
    algorithm = made(population=3, elites=0)
    first, second = pool([(2.0, 1.0), (9.0, 0.0)])
    state = algorithm.tell(algorithm.start(), [first, second])
    assert algorithm.parents(state)[0] == second
    promoted = replace(first, values=(0.0, 9.0), rung=1)
    assert algorithm.parents(algorithm.tell(state, [promoted, second])) == [promoted, second]
