"""Numbers for people."""

import math

from archsearch.reporting.units import duration, percent, quantity, rate, style_for


def test_numbers_for_people():
    assert quantity(0.00123, "s") == "1.23 ms"
    assert quantity(1.742e9, "bytes") == "1.74 GB"
    assert quantity(-0.25, "") == "\u22120.250"
    assert quantity(math.nan, "s") == quantity(None, "s") == "\u2013"
    assert style_for("bytes", [9.1e8, 1.1e9, 4e9]).unit.symbol == "GB"
    assert rate(1.536e11, "FLOP/s") == "153.6 GFLOP/s"
    assert [duration(s) for s in (4.25, 303, 7620)] == ["4.25 s", "5 min 03 s", "2 h 07 min"]
    assert [percent(s) for s in (0.754, 0.0123, 0.0)] == ["75 %", "1.2 %", "0 %"]
