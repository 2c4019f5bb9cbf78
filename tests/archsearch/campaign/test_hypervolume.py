"""The hypervolume and its corner, against the plainest computation of them."""

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsearch.campaign.dominance import nondominated
from archsearch.campaign.hypervolume import QUALITY_FLOOR, hypervolume, reference_point
from archsearch.campaign.objectives import Objective
from hardware_profiles import Estimate

COST, GAIN = Objective("state_bytes", "min"), Objective("parameters", "max")
points = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12)


def grid_area(values: list[tuple[int, int]], corner: tuple[int, int]) -> int:
    """Unit cells between a cost at most, a gain at least, that some value dominates."""
    cells = product(range(-1, corner[0]), range(corner[1], 9))
    return sum(any(cost <= x and gain >= y + 1 for cost, gain in values) for x, y in cells)


@given(points, st.tuples(st.integers(1, 8), st.integers(1, 8)))
def test_hypervolume_is_the_area_that_is_dominated(values, corner):
    found = hypervolume(values, (COST, GAIN), corner)
    assert found == pytest.approx(grid_area(values, corner) / (corner[0] * corner[1]))


@given(points, st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_hypervolume_never_shrinks_and_ignores_the_dominated(values, more):
    before = hypervolume(values, (COST, GAIN), (8, 1))
    assert hypervolume([*values, more], (COST, GAIN), (8, 1)) >= before - 1e-12
    kept = nondominated(values, (COST, GAIN))
    front = [value for value, keep in zip(values, kept, strict=True) if keep]
    assert hypervolume(front, (COST, GAIN), (8, 1)) == pytest.approx(before)


def test_quality_counts_in_deviations_and_costs_in_shares():
    quality = Objective("quality", "max")
    # from -5 to 1, and from 2e9 down to 1e9
    assert hypervolume([(1.0, 1e9)], (quality, COST), (-5.0, 2e9)) == pytest.approx(6 * 0.5)
    assert hypervolume([(1.0, 3e9)], (quality, COST), (-5.0, 2e9)) == 0.0
    assert hypervolume([], (quality, COST), (-5.0, 2e9)) == 0.0


def test_a_bound_of_zero_leaves_the_hypervolume_finite():
    assert math.isfinite(hypervolume([(1.0, 3.0)], (GAIN, COST), (0.0, 4.0)))


def test_the_reference_point_is_bound_or_twice_the_worst_reference():
    quality = Objective("quality", "max")
    references = [
        {COST.name: Estimate(3.0, 3.0, 3.0), GAIN.name: Estimate(8.0, 8.0, 8.0)},
        {COST.name: Estimate(5.0, 5.0, 5.0), GAIN.name: Estimate(6.0, 6.0, 6.0)},
    ]
    found = reference_point((quality, COST, GAIN), references)
    assert found == {"quality": QUALITY_FLOOR, COST.name: 10.0, GAIN.name: 3.0}
    bounded = (replace(COST, at_most=7.0), replace(GAIN, at_least=2.0))
    assert reference_point(bounded, references) == {COST.name: 7.0, GAIN.name: 2.0}
    endless = (replace(COST, at_most=math.inf), replace(GAIN, at_least=-math.inf))
    assert reference_point(endless, references) == {COST.name: 10.0, GAIN.name: 3.0}
