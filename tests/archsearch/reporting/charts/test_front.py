"""The picture of the front."""

from dataclasses import replace
from itertools import pairwise

import pytest

from archsearch.reporting.charts.drawing import Mark, TextLine, corners
from archsearch.reporting.charts.front import front_picture, objective_pairs, staircase
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


def test_one_rung_is_drawn_and_what_breaks_a_bound_is_a_cross(results):
    first, second = results.candidates[:2]
    early, broken = replace(first, rung=0), replace(second, breaks="it is too large")
    shown = replace(results, candidates=(early, broken, *results.candidates[2:]))
    across, upright = objective_pairs(shown)[0]
    drawing = front_picture(shown, across, upright, "front").drawing
    marks = {item.id: item for item in drawing.items if isinstance(item, Mark) and item.id}
    assert early.id not in marks
    assert marks[broken.id].symbol == "cross"
    assert "breaks a bound: it is too large" in marks[broken.id].about
    words = [item.text for item in drawing.items if isinstance(item, TextLine)]
    assert "breaks a bound" in words
    assert "break a bound: " + broken.name in drawing.alt
    plain = replace(results, candidates=tuple(replace(c, breaks=None) for c in results.candidates))
    drawing = front_picture(plain, across, upright, "front").drawing
    assert "breaks a bound" not in [item.text for item in drawing.items if isinstance(item, TextLine)]


def test_a_cross_has_two_arms_of_equal_length_about_its_middle():
    points = corners(Mark(10.0, 20.0, 5.0, "paper", symbol="cross"))
    assert len(points) == 12
    assert sum(x for x, _ in points) / 12 == pytest.approx(10)
    assert sum(y for _, y in points) / 12 == pytest.approx(20)
    turned = sorted((10 - (y - 20), 20 + (x - 10)) for x, y in points)
    assert [p for pair in turned for p in pair] == pytest.approx([p for pair in sorted(points) for p in pair])
