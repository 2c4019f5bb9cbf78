"""Energy: measured power times latency, and the power of a profile."""

import pytest

from hardware_profiles import Power
from hardware_profiles.energy import joules, power_figure
from hardware_profiles.measuring import measure as measuring
from hardware_profiles.runtimes.table import JAX, LLAMA_CPP
from hardware_profiles.timing.power import MEASURED


def test_energy_is_power_times_time() -> None:
    assert joules(300.25, 0.004) == pytest.approx(1.201)
    assert joules(None, 0.004) is None


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
