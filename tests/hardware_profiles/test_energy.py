"""Measured energy: arithmetic on readings of a counter, and what is said where there is none."""

import sys
from itertools import pairwise

import pytest

from hardware_profiles import Power, energy
from hardware_profiles.energy import MEASURED, Reading, joules, mean_power, mean_power_w, power_figure
from hardware_profiles.measuring import measure as measuring
from hardware_profiles.runtimes.table import JAX, LLAMA_CPP

RECORDED = [(0.0, 812_000_150), (0.5, 812_051_650), (1.5, 812_331_900), (3.5, 812_932_400)]
"""Seconds and millijoules: idle at 103 W, then a prompt, then tokens."""


def test_power_is_what_the_counter_gained_over_the_time() -> None:
    readings = [Reading(at_s, millijoules) for at_s, millijoules in RECORDED]
    assert [mean_power_w(*pair) for pair in pairwise(readings)] == [103.0, 280.25, 300.25]
    assert joules(300.25, 0.004) == pytest.approx(1.201)
    assert joules(None, 0.004) is None


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
    monkeypatch.setattr(energy, "perf_counter", lambda: next(clock))
    with mean_power(lambda: next(counted)) as found:
        assert found == []
    assert found == [30.0]


def test_without_a_counter_or_with_one_that_fails_there_is_no_power() -> None:
    def lost() -> int:
        raise OSError("GPU is lost")

    for counter in (None, lost):
        with mean_power(counter) as found:
            pass
        assert found == [None]


def answer(latency_s: float, power_w: float | None) -> dict[str, object]:
    """Of a measuring process on a GPU."""
    times = {latency: [latency_s, 2 * latency_s, 3 * latency_s] for latency in measuring.LATENCIES}
    return times | {"power_w": {"prefill": 250.0, "decode": power_w}, "energy": MEASURED}


def test_energy_is_power_times_latency_process_by_process() -> None:
    found = measuring._energy([answer(0.01, 100.0), answer(0.02, 100.0), answer(0.03, 100.0)], JAX)
    assert found["energy"].startswith("measured (NVML)")
    assert found["decode_energy_j"] == pytest.approx({"median": 4.0, "p10": 2.4, "p90": 5.6})
    assert found["prefill_energy_j"]["median"] == pytest.approx(250 * 0.04)


def test_energy_that_a_process_could_not_tell_is_null() -> None:
    found = measuring._energy([answer(0.01, 100.0), answer(0.01, None)], JAX)
    assert found["decode_energy_j"] is None and found["prefill_energy_j"] is not None
    assert "null where the counter told nothing" in found["energy"]
    silent = {name: [0.01] for name in measuring.LATENCIES}
    assert measuring._energy([silent], LLAMA_CPP) == {
        "prefill_energy_j": None,
        "decode_energy_j": None,
        "energy": "not measured with llama.cpp",
    }


def test_the_power_of_a_profile_is_that_of_decoding() -> None:
    drawn = [{"prefill": 320.0, "decode": 180.0}, {"prefill": 350.0, "decode": 200.0}, {"decode": 210.0}]
    figure = power_figure([*drawn, {"prefill": None, "decode": None}, {}])
    assert isinstance(figure, Power)
    assert (figure.low, figure.value, figure.high) == (180.0, 200.0, 350.0)
    assert figure.source.startswith("measured: NVML, mean while decoding")
    assert power_figure([{"prefill": 320.0, "decode": None}, {}]) is None


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    counter, said = energy.nvml_counter()
    assert counter is None
    assert said == "not measured: the package nvidia-ml-py is missing; pip install archsearch[nvml]"


@pytest.mark.slow  # needs nvidia-ml-py
def test_the_driver_is_asked_for_real() -> None:
    """A counter where there is a board with its driver, else NVML's own words."""
    counter, said = energy.nvml_counter()
    if counter is None:
        assert said.startswith("not measured: ") and "package" not in said
    else:
        assert said == MEASURED and counter() > 0
