"""`measure`: real processes on a small model, and the runner itself against the plain forward pass."""

import json
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

from genomes import Architecture, InvalidInput, accounting, model, read_architecture
from hardware_profiles import Workload
from hardware_profiles.measuring import measure as driver
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.measurement import Measurement
from hardware_profiles.runtimes.table import JAX
from hardware_profiles.timing import sampling
from hardware_profiles.timing.sampling import sample, variation
from proxies.model import Model
from proxies.runtime import runtime as measuring
from proxies.runtime.runtime import Runner, cheap_weights

FIGURES = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
ATTENTION = {"op": "attention", "heads": 4, "kv_heads": 2, "qk_norm": True}
SWIGLU = {"op": "swiglu", "hidden": 128}
MIXED = [
    ATTENTION,
    SWIGLU,
    {"op": "short_conv", "kernel": 3},
    {"op": "attention", "heads": 4, "kv_heads": 1, "window": 16},
    {"op": "mamba2", "heads": 4, "head_dim": 16, "state_dim": 8},
    {"op": "gated_linear_attention", "heads": 2, "key_dim": 16, "value_dim": 32},
    {"op": "rg_lru", "lru_width": 64, "heads": 4},
    {"op": "skip"},
]


def architecture(*blocks: dict[str, object], vocab_size: int = 256) -> Architecture:
    file = {"format": "archsearch/architecture", "version": 1, "width": 64, "vocab_size": vocab_size}
    return read_architecture({**file, "blocks": list(blocks)})


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    return measure(architecture(ATTENTION, SWIGLU), Workload(40, batch=2), processes=2, depths=(8, 64))


def runner(
    blocks: Architecture, context: int, batch: int = 2, dtype: str = "float32", chunk: int = 8
) -> Runner:
    made = Runner(blocks, context, batch, dtype, chunk)
    made.load()
    return made


def forward(made: Runner, blocks: Architecture) -> jax.Array:
    """Logits of the prompt's last token by the forward pass of training."""
    apply = jax.jit(
        lambda weights, tokens: Model(blocks).apply({"params": weights}, tokens, method="forward")
    )
    logits: jax.Array = apply(made.weights, made.tokens)[:, -1:]
    return logits


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


def test_a_model_that_does_not_fit_is_refused_before_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    context = 2 * psutil.virtual_memory().total // accounting.state_bytes(architecture(ATTENTION), 1)
    with pytest.raises(RuntimeError, match=r"does not fit in memory: it needs \d+ bytes .* are available"):
        measure(architecture(ATTENTION), Workload(context), processes=1)
    monkeypatch.setattr(measuring.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1e6}))
    weights = 4 * accounting.parameters(model("lfm2-350m"))
    state = accounting.state_bytes(model("lfm2-350m"), 9)
    with pytest.raises(RuntimeError, match=rf"needs {weights + state} bytes \(1.32 GiB\), 1000000 "):
        Runner(model("lfm2-350m"), 9, 1, "float32", 512)


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


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        ("{}", "architecture is missing"),
        ("nonsense", "JSON"),
        ('{"architecture": {}, "batch": 0}', "batch = 0"),
    ],
)
def test_a_wrong_request_gets_an_answer(request_text: str, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxies.runtime.runtime"], input=request_text, capture_output=True, text=True
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 2 and answer["kind"] == "input" and message in answer["error"]


def test_a_process_that_dies_is_reported() -> None:
    absent = replace(JAX, measuring="proxies.no_such_module")
    with pytest.raises(RuntimeError, match=r"exit code 1:\n.*no_such_module"):
        driver.measure_once(architecture(SWIGLU), Workload(), absent)
    killed = subprocess.CompletedProcess([], -9, "", "")
    assert "memory" in driver._failure(killed)


def test_the_driver_stays_free_of_jax() -> None:
    heavy = "[m for m in ('jax', 'flax') if m in sys.modules]"
    code = f"import sys, hardware_profiles.measuring.measure; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The runner


@pytest.mark.parametrize("context", [1, 8, 21])
def test_decoding_stands_at_the_depth_asked(context: int) -> None:
    """With attention alone the last token may be read again and again, and gives what the prompt gave."""
    blocks = architecture(ATTENTION, SWIGLU, ATTENTION)
    made = runner(blocks, context)
    np.testing.assert_allclose(made.prefill(), forward(made, blocks), rtol=1e-4, atol=1e-5)
    for _ in range(3):
        np.testing.assert_allclose(made.decode(), forward(made, blocks), rtol=1e-4, atol=1e-5)
    assert made.state[0]["k"].shape[1] == context
    assert bool((made.state[0]["k"] != 0).any(axis=(0, 2, 3)).all())  # the state is full


def test_decoding_at_another_depth_sees_that_many_tokens() -> None:
    """An empty cache gives every value the same weight: the mean of zeros and the token's own."""
    blocks = architecture(ATTENTION)
    made = runner(blocks, 6)
    first, deeper = made.at_depth(1)(), made.at_depth(3)()
    assert first.shape == deeper.shape == (2, 1, 256)
    np.testing.assert_allclose(
        first[:, 0],
        Model(blocks).apply({"params": made.weights}, made.tokens[:, -1:], method="forward")[:, 0],
        rtol=1e-4,
        atol=1e-5,
    )
    assert float(jnp.abs(first - deeper).max()) > 0


def test_prefill_in_chunks_is_the_forward_pass() -> None:
    blocks = architecture(*MIXED)
    made = runner(blocks, 37)
    np.testing.assert_allclose(made.prefill(), forward(made, blocks), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_dtype_runs_every_operator(dtype: str) -> None:
    made = runner(architecture(*MIXED), 20, dtype=dtype)
    for logits in (made.prefill(), made.decode(), made.prefill(), made.decode()):
        assert logits.dtype == jnp.dtype(dtype) and logits.shape == (2, 1, 256)
        assert bool(jnp.isfinite(logits).all())
    assert {leaf.dtype for leaf in jax.tree.leaves((made.weights, made.state))} == {jnp.dtype(dtype)}
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(made.state))
    itemsize = jnp.dtype(dtype).itemsize
    assert state == accounting.state_bytes(architecture(*MIXED), 20, itemsize, batch=2)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_cheap_weights_are_normal_numbers_that_differ(dtype: str) -> None:
    shapes = {
        "matrix": jax.ShapeDtypeStruct((4608, 64), dtype),
        "heads": jax.ShapeDtypeStruct((4, 16, 16), dtype),
        "vector": jax.ShapeDtypeStruct((64,), dtype),
    }
    weights = cheap_weights(shapes)
    smallest = float(jnp.finfo(dtype).smallest_normal)
    for name, leaf in weights.items():
        assert leaf.shape == shapes[name].shape and leaf.dtype == dtype
        size = np.abs(np.asarray(leaf, np.float32))
        assert size.min() >= smallest and np.isfinite(size).all()
    matrix = np.asarray(weights["matrix"], np.float32)
    assert matrix.std() == pytest.approx(4608**-0.5, rel=0.02)
    assert abs(matrix.mean()) < 0.02 * matrix.std()
    assert np.abs(np.corrcoef(matrix[:, :8].T) - np.eye(8)).max() < 0.1


def test_sampling_stops_when_settled_and_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(sampling, "perf_counter", lambda: 0.001 * next(clock))
    calls: list[int] = []
    assert len(sample(lambda: calls.append(1), warm_up=8, fewest=64)) < 500
    assert len(calls) >= 8 + 64

    monkeypatch.setattr(sampling, "perf_counter", lambda: 60.0 * next(clock))
    assert len(sample(lambda: None, warm_up=8, fewest=64)) == 1


def test_variation_sees_drift_and_not_jitter() -> None:
    rng = np.random.default_rng(0)
    jitter = 1 + 0.2 * rng.random(2000)
    assert variation(list(jitter)) < 0.02
    assert variation(list(jitter + np.linspace(0, 1, 2000))) > 0.1
    assert variation([1.0]) == 0
