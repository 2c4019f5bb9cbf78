"""`measure`: real processes on a small model."""

import json
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import psutil
import pytest

from genomes import Architecture, InvalidInput, accounting, read_architecture
from hardware_profiles import Workload
from hardware_profiles.measuring import measure as driver
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.measurement import Measurement
from hardware_profiles.runtimes.table import JAX

FIGURES = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
ATTENTION = {"op": "attention", "heads": 4, "kv_heads": 2, "qk_norm": True}
SWIGLU = {"op": "swiglu", "hidden": 128}


def architecture(*blocks: dict[str, object], vocab_size: int = 256) -> Architecture:
    file = {"format": "archsearch/architecture", "version": 1, "width": 64, "vocab_size": vocab_size}
    return read_architecture({**file, "blocks": list(blocks)})


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    return measure(architecture(ATTENTION, SWIGLU), Workload(40, batch=2), processes=2, depths=(8, 64))


# Real processes


def test_the_json_has_the_promised_keys(measurement: Measurement) -> None:
    measured = measurement.to_dict()
    assert json.loads(json.dumps(measured)) == measured
    for figure in FIGURES:
        assert set(measured[figure]) == {"median", "p10", "p90"}
        assert 0 < measured[figure]["p10"] <= measured[figure]["median"] <= measured[figure]["p90"]
    types = (measured["dtype"], measured["weights"])
    assert (measured["context"], measured["batch"], *types) == (40, 2, "float32", "float32")
    depths = measured["decode_latency_by_depth_s"]
    assert set(depths) == {"8", "64"}
    assert all(0 < latency["p10"] <= latency["median"] <= latency["p90"] for latency in depths.values())
    assert isinstance(measured["stable"], bool) and isinstance(measured["disturbed"], bool)
    assert measured["device"]["platform"] == jax.devices()[0].platform
    assert measured["device"]["cores"] >= 1
    if jax.default_backend() == "cpu":
        assert measured["prefill_energy_j"] is None and measured["decode_energy_j"] is None
        assert measured["energy"] == "not measured: jax runs on cpu"


def test_the_json_says_what_it_rests_on(measurement: Measurement) -> None:
    measured = measurement.to_dict()
    provenance = measured["provenance"]
    assert provenance["versions"]["jax"] == jax.__version__
    assert provenance["processes"] == 2 and provenance["threads"] >= 1
    assert all(count >= 64 for count in provenance["samples"]["decode_latency_s"])
    assert all(count >= 3 for count in provenance["samples"]["prefill_latency_s"])
    spreads = [(max(m) - min(m)) / np.median(m) for m in provenance["process_medians"].values()]
    assert measured["repeat_spread"] == pytest.approx(max(spreads))
    assert measured["stable"] == (provenance["settled"] and max(spreads) <= 0.05)


@pytest.mark.slow
def test_more_context_takes_the_memory_of_its_state(measurement: Measurement) -> None:
    blocks = architecture(ATTENTION, SWIGLU)
    lines: list[str] = []
    longer = measure(blocks, Workload(4096, batch=2), processes=1, progress=lines.append)
    added = accounting.state_bytes(blocks, 4096, batch=2) - accounting.state_bytes(blocks, 40, batch=2)
    assert longer.peak_memory_bytes.median >= measurement.peak_memory_bytes.median + added
    assert longer.decode_latency_s.median > measurement.decode_latency_s.p10
    assert longer.repeat_spread is None and not longer.stable
    assert len(lines) == 1 and lines[0].startswith("process 1 of 1: ")


def test_a_model_that_does_not_fit_is_refused_before_trying() -> None:
    context = 2 * psutil.virtual_memory().total // accounting.state_bytes(architecture(ATTENTION), 1)
    with pytest.raises(RuntimeError, match=r"does not fit in memory: it needs \d+ bytes .* are available"):
        measure(architecture(ATTENTION), Workload(context), processes=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depths": [0]}, "context = 0"),
        ({"runtime": "xla"}, "runtime = 'xla'; legal: jax"),
        ({"workload": Workload(weights="float16")}, "weights = 'float16'; with dtype = 'float32'"),
        ({"processes": 0}, "processes = 0"),
        ({"processes": True}, "processes = True"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        measure(architecture(SWIGLU), **arguments)


def test_a_process_that_dies_is_reported() -> None:
    absent = replace(JAX, sessions="proxies.no_such_module:SESSIONS")
    with pytest.raises(RuntimeError, match=r"(?s)exit code 1:\n.*no_such_module"):
        driver.measure_once(architecture(SWIGLU), Workload(), absent)
    killed = subprocess.CompletedProcess([], -9, "", "")
    assert "memory" in driver._failure(killed)


def test_the_driver_stays_free_of_jax() -> None:
    heavy = "[m for m in ('jax', 'flax') if m in sys.modules]"
    code = f"import sys, hardware_profiles.measuring.measure; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
