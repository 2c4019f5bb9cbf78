"""The picture of the front."""

from dataclasses import replace
from itertools import pairwise

import pytest

from archsearch.reporting.charts.front import objective_pairs, staircase
from support import report_cases as cases


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_the_staircase_bounds_what_the_front_dominates(right, up):
    sx, sy = (1 if right else -1), (1 if up else -1)
    best = [(3 * sx, 1 * sy), (2 * sx, 2 * sy), (1 * sx, 3 * sy)]
    line = staircase([best[1], best[2], (1 * sx, 1 * sy), best[0]], right, up)
    assert line == [best[0], (2 * sx, 1 * sy), best[1], (1 * sx, 2 * sy), best[2]]
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(line))
    for x, y in line:
        assert not any(x * sx < px * sx and y * sy < py * sy for px, py in best)


def test_what_is_maximised_stands_upright(results):
    pairs = [(x.name, y.name) for x, y in objective_pairs(results)]
    assert pairs == [
        (cases.LATENCY.name, "quality"),
        (cases.MEMORY.name, "quality"),
        (cases.MEMORY.name, cases.LATENCY.name),
    ]
    turned = replace(results, objectives=results.objectives[::-1])
    assert objective_pairs(turned)[1][1].name == "quality"
