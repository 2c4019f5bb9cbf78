"""Energy: measured power times latency, and the power of a profile."""

import pytest

from hardware_profiles import Machine, Power, Workload
from hardware_profiles.energy import joules, power_figure
from hardware_profiles.measuring.measurement import Measurement, ProcessAnswer, combined
from hardware_profiles.timing.power import MEASURED


def test_energy_is_power_times_time() -> None:
    assert joules(300.25, 0.004) == pytest.approx(1.201)
    assert joules(None, 0.004) is None


def answers(*processes: tuple[float, float | None], energy: str | None = MEASURED) -> Measurement:
    """The measurement of processes on a GPU, each with its median latency and the power while decoding."""

    def answer(latency_s: float, power_w: float | None) -> ProcessAnswer:
        times = (latency_s, 2 * latency_s, 3 * latency_s)
        return ProcessAnswer(
            prefill_latency_s=times,
            decode_latency_s=times,
            decode_latency_by_depth_s={},
            peak_memory_bytes=1e9,
            memory_counts="all",
            yardstick_s={},
            settled=True,
            other_load=0.0,
            platform={"platform": "gpu", "kind": "made up"},
            threads=1,
            versions={},
            options=None,
            power_w={"prefill": 250.0, "decode": power_w} if energy else {},
            energy=energy,
        )

    machine = Machine(processor="made up", cores=1, memory_bytes=1, cache_bytes=None)
    every = [answer(*process) for process in processes]
    return combined(every, Workload(), "jax", machine, date="2026-01-01", load_average=None)


def test_energy_is_power_times_latency_process_by_process() -> None:
    found = answers((0.01, 100.0), (0.02, 100.0), (0.03, 100.0))
    assert found.energy.startswith("measured (NVML)")
    assert found.decode_energy_j is not None and found.prefill_energy_j is not None
    assert found.decode_energy_j.to_dict() == pytest.approx({"median": 4.0, "p10": 2.4, "p90": 5.6})
    assert found.prefill_energy_j.median == pytest.approx(250 * 0.04)
    assert found.to_dict()["decode_energy_j"] == found.decode_energy_j.to_dict()


def test_energy_that_a_process_could_not_tell_is_null() -> None:
    found = answers((0.01, 100.0), (0.01, None))
    assert found.decode_energy_j is None and found.prefill_energy_j is not None
    assert "null where the counter told nothing" in found.energy
    silent = answers((0.01, None), energy=None)
    assert (silent.prefill_energy_j, silent.decode_energy_j) == (None, None)
    assert silent.energy == "not measured with jax"


def test_the_power_of_a_profile_is_that_of_decoding() -> None:
    drawn = [{"prefill": 320.0, "decode": 180.0}, {"prefill": 350.0, "decode": 200.0}, {"decode": 210.0}]
    figure = power_figure([*drawn, {"prefill": None, "decode": None}, {}])
    assert isinstance(figure, Power)
    assert (figure.low, figure.value, figure.high) == (180.0, 200.0, 350.0)
    assert figure.source.startswith("measured: NVML, mean while decoding")
    assert power_figure([{"prefill": 320.0, "decode": None}, {}]) is None
