"""Axes: unit, direction, range."""

import pytest

from archsearch.reporting.charts.axes import objective_axis
from support import report_cases as cases


def test_axes_name_unit_and_direction_and_are_logarithmic_past_a_decade():
    axis = objective_axis(cases.LATENCY, [0.08, 0.16])
    assert axis.title == "decode latency on this-machine at 4096 tokens (ms)  ← better"
    assert not axis.log and ("100" in dict(axis.ticks).values() or len(axis.ticks) > 3)
    wide = objective_axis(cases.MEMORY, [2e8, 9e9])
    assert wide.log and "(GB)" in wide.title
    assert wide.fraction(2e8) == pytest.approx(1 - wide.fraction(9e9))
    assert objective_axis(cases.QUALITY, [-1.0, 30.0]).log is False
    diverged = objective_axis(cases.QUALITY, [0.0, 1.0], [-0.3, -80.0])
    assert -1.0 < diverged.low < -0.3, "one that diverged does not squeeze the rest"
    assert objective_axis(cases.QUALITY, [2.0]).fraction(2.0) == pytest.approx(0.5)
    assert objective_axis(cases.QUALITY, []).ticks == ()
