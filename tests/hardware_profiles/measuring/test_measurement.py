"""Measurements from the answers of made-up processes: quantiles, spreads, energy, JSON."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_profiles import Machine, Workload
from hardware_profiles.measuring.measurement import Measurement, ProcessAnswer, Quantiles, combined
from hardware_profiles.timing.power import MEASURED

MACHINE = Machine(processor="made up", cores=1, memory_bytes=1, cache_bytes=None)


def answer(latency_s: float, power_w: float | None = None, energy: str | None = MEASURED) -> ProcessAnswer:
    """A process on a GPU, with its median latency and the power while decoding."""
    times = (latency_s, 2 * latency_s, 3 * latency_s)
    return ProcessAnswer(
        prefill_latency_s=times,
        decode_latency_s=times,
        decode_latency_by_depth_s={"8": times},
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


def together(*answers: ProcessAnswer) -> Measurement:
    return combined(answers, Workload(40), "jax", MACHINE, date="2026-01-01", load_average=None)


@given(st.lists(st.floats(1e-6, 1e3), min_size=1))
def test_quantiles_rise_and_lie_within_the_samples(samples: list[float]) -> None:
    found = Quantiles.of(samples)
    assert min(samples) <= found.p10 <= found.median <= found.p90 <= max(samples)
    assert list(found.to_dict()) == ["median", "p10", "p90"]


def test_a_measurement_is_stable_where_processes_agree_and_settled() -> None:
    steady = together(answer(0.01), answer(0.0102))
    assert steady.repeat_spread == pytest.approx(0.02, rel=0.02) and steady.stable
    assert not together(answer(0.01), answer(0.02)).stable
    assert not together(answer(0.01), replace(answer(0.01), settled=False)).stable
    alone = together(answer(0.01))
    assert (alone.repeat_spread, alone.stable) == (None, False)
    assert not steady.disturbed and together(answer(0.01), replace(answer(0.01), other_load=0.2)).disturbed


def test_the_json_is_plain_and_leaves_out_options_that_are_none() -> None:
    values = together(answer(0.01), answer(0.02)).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert "options" not in values["provenance"]
    assert values["provenance"]["samples"] == {"prefill_latency_s": [3, 3], "decode_latency_s": [3, 3]}
    chosen = together(replace(answer(0.01), options={"threads": 1})).to_dict()
    assert chosen["provenance"]["options"] == {"threads": 1}


def test_energy_is_power_times_latency_process_by_process() -> None:
    found = together(*(answer(latency_s, 100.0) for latency_s in (0.01, 0.02, 0.03)))
    assert found.energy.startswith("measured (NVML)")
    assert found.decode_energy_j is not None and found.prefill_energy_j is not None
    assert found.decode_energy_j.to_dict() == pytest.approx({"median": 4.0, "p10": 2.4, "p90": 5.6})
    assert found.prefill_energy_j.median == pytest.approx(250 * 0.04)
    assert found.to_dict()["decode_energy_j"] == found.decode_energy_j.to_dict()


def test_energy_that_a_process_could_not_tell_is_null() -> None:
    found = together(answer(0.01, 100.0), answer(0.01))
    assert found.decode_energy_j is None and found.prefill_energy_j is not None
    assert "null where the counter told nothing" in found.energy
    silent = together(answer(0.01, energy=None))
    assert (silent.prefill_energy_j, silent.decode_energy_j) == (None, None)
    assert silent.energy == "not measured with jax"
