"""Measured power: arithmetic on readings of a counter, and what is said where there is none."""

import sys
from itertools import pairwise

import pytest

from hardware_profiles.timing import power
from hardware_profiles.timing.power import MEASURED, Reading, mean_power, mean_power_w

RECORDED = [(0.0, 812_000_150), (0.5, 812_051_650), (1.5, 812_331_900), (3.5, 812_932_400)]
"""Seconds and millijoules: idle at 103 W, then a prompt, then tokens."""


def test_power_is_what_the_counter_gained_over_the_time() -> None:
    readings = [Reading(at_s, millijoules) for at_s, millijoules in RECORDED]
    assert [mean_power_w(*pair) for pair in pairwise(readings)] == [103.0, 280.25, 300.25]


@pytest.mark.parametrize(
    ("seconds", "gained"),
    [
        (0.1, 30_000),  # a few updates of the counter
        (2.0, 0),  # it stands still
        (2.0, -812_000_150),  # the driver was loaded anew
        (0.0, 100),
    ],
)
def test_readings_that_tell_nothing_give_no_power(seconds: float, gained: int) -> None:
    before = Reading(1.0, 812_000_150)
    assert mean_power_w(before, Reading(1.0 + seconds, before.millijoules + gained)) is None


def test_a_window_is_read_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, counted = iter([1.0, 3.0]), iter([5_000, 65_000])
    monkeypatch.setattr(power, "perf_counter", lambda: next(clock))
    with mean_power(lambda: next(counted)) as watts:
        assert watts == []
    assert watts == [30.0]


def test_without_a_counter_or_with_one_that_fails_there_is_no_power() -> None:
    def lost() -> int:
        raise OSError("GPU is lost")

    for counter in (None, lost):
        with mean_power(counter) as watts:
            pass
        assert watts == [None]


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    counter, why = power.nvml_counter()
    assert counter is None
    assert (
        why
        == "not measured: the package nvidia-ml-py is missing; pip install '.[nvml]' in a clone of archsearch"
    )


@pytest.mark.slow  # needs nvidia-ml-py
def test_the_driver_is_asked_for_real() -> None:
    """A counter where there is a board with its driver, else NVML's own words."""
    counter, why = power.nvml_counter()
    if counter is None:
        assert why.startswith("not measured: ") and "package" not in why
    else:
        assert why == MEASURED and counter() > 0
