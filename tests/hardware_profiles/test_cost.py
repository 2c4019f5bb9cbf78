"""Devices, the cost model and the fit: data that can be believed and predictions that behave."""

import json
import subprocess
import sys
from datetime import date
from math import inf

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import genomes
from genomes import Architecture, InvalidInput, Scale, accounting, reference
from hardware_profiles import (
    DTYPES,
    Device,
    Figure,
    Workload,
    device,
    device_names,
    fit_device,
    load_device,
    predict,
    read_device,
    roofline,
)
from hardware_profiles.cases import PHASES
from hardware_profiles.cost import price
from hardware_profiles.roofline import RIDGE, Rates, p_norm, rates, seconds
from hardware_profiles.work import decode_work, prefill_work
from hardware_profiles.workload import FIGURES
from support import genome_strategies

LFM2 = genomes.model("lfm2-1.2b")
LLAMA = genomes.model("llama-3.2-1b")

PROVENANCE = {
    "runtime": "jax-cpu",
    "runtime_version": "0.10.2",
    "processor": "made up",
    "threads": 2,
    "date": "2025-01-31",
}

SMALL = [
    reference(name).layout(8).at(Scale(width=128, blocks=8, head_dim=16, vocab_size=512, context=512))
    for name in ("lfm2", "griffin", "mamba2-hybrid", "gla", "transformer++")
]


def spec(**changes: object) -> dict:
    """The plain values of a legal device file."""
    return {
        "format": "archsearch/device",
        "version": 1,
        "name": "board",
        "kind": "cpu",
        "calibration": "spec-only",
        "peak_flops_per_s": {"float32": {"value": 1e11, "source": "datasheet"}},
        "dram_bandwidth_bytes_per_s": {"value": 2e10, "source": "datasheet"},
    } | changes


def row(probe: str, dtype: str, flops: float, bytes_: float, seconds: float, spread: float = 1.05) -> dict:
    return {
        "probe": probe,
        "dtype": dtype,
        "shape": [1],
        "flops": flops,
        "bytes": bytes_,
        "median_s": seconds,
        "p10_s": seconds / spread,
        "p90_s": seconds * spread,
        "repeats": 9,
    }


# The catalogue


@pytest.mark.parametrize("name", device_names())
def test_shipped_device_is_sourced(name):
    found = device(name)
    assert found.name == name
    assert found.calibration in ("spec-only", "fitted-to-published") and found.provenance is None
    figures = [*found.peak_flops_per_s.values(), found.dram_bandwidth_bytes_per_s]
    figures += [f for f in (found.memory_bytes, found.cache_bytes, found.power_w) if f is not None]
    assert all(len(figure.source) >= 10 for figure in figures)


def test_the_promised_devices_ship():
    promised = {
        "h100-sxm",
        "a100-80gb-sxm",
        "rtx-4090",
        "apple-m4",
        "galaxy-s24-ultra-cpu",
        "raspberry-pi-5",
        "generic-x86-core",
    }
    assert promised <= set(device_names())


@pytest.mark.parametrize(
    ("name", "dense"),
    [
        ("h100-sxm", 989.5e12),
        ("h200-sxm", 989.5e12),
        ("a100-80gb-sxm", 312e12),
        ("rtx-4090", 165.2e12),
        ("l4", 121e12),
        ("jetson-agx-orin-64gb", 170e12 / 4),
        ("jetson-orin-nano-super-8gb", 67e12 / 4),
        ("tpu-v5e", 197e12),
    ],
)
def test_tensor_figures_are_dense(name, dense):
    assert device(name).peak("bfloat16") == dense


@pytest.mark.parametrize(
    ("name", "flops_per_s", "bytes_per_s"),
    [
        ("raspberry-pi-5", 4 * 2 * 4 * 2 * 2.4e9, 32 / 8 * 4.267e9),
        (
            "galaxy-s24-ultra-cpu",
            4 * 4 * 2 * 3.3e9 + 2 * 4 * 2 * (3 * 3.2e9 + 2 * 3.0e9),
            64 / 8 * 9.6e9,
        ),
        ("generic-x86-core", 2 * 8 * 2 * 3.0e9, 64 / 8 * 3.2e9),
        ("apple-m4", 10 * 128 * 2 * 1.47e9, 120e9),
        ("jetson-agx-orin-64gb", 5.3e12, 256 / 8 * 6.4e9),
        ("jetson-orin-nano-super-8gb", 1024 * 2 * 1.02e9, 128 / 8 * 6.4e9),
        ("rtx-4090", 82.6e12, 384 / 8 * 21e9),
    ],
)
def test_derivations_add_up(name, flops_per_s, bytes_per_s):
    found = device(name)
    assert found.peak("float32") == pytest.approx(flops_per_s, rel=1e-3)
    assert found.dram_bandwidth_bytes_per_s.value == pytest.approx(bytes_per_s, rel=1e-3)


# Device files


def test_yaml_round_trip(tmp_path):
    for found in [*map(device, device_names()), synthetic_fit()]:
        path = tmp_path / f"{found.name}.yaml"
        path.write_text(found.to_yaml(), encoding="utf-8")
        assert load_device(path) == found
        assert device(path) == device(str(path)) == found


def test_numbers_that_yaml_reads_as_strings():
    text = yaml.safe_dump(spec()) + "memory_bytes: {value: 8e9, source: box}\n"
    assert read_device(yaml.safe_load(text)).memory_bytes == Figure(value=8e9, source="box")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dram_bandwidth": 2e10}, ["'dram_bandwidth'", "dram_bandwidth_bytes_per_s"]),
        (
            {"dram_bandwidth_bytes_per_s": {"value": 0, "source": "x"}},
            ["dram_bandwidth_bytes_per_s.value", "0", "greater than 0"],
        ),
        (
            {"dram_bandwidth_bytes_per_s": {"value": inf, "source": "x"}},
            ["dram_bandwidth_bytes_per_s.value", "finite"],
        ),
        ({"dram_bandwidth_bytes_per_s": {"value": 1e9}}, ["dram_bandwidth_bytes_per_s.source is missing"]),
        ({"dram_bandwidth_bytes_per_s": {"value": True, "source": "x"}}, ["True", "expected a number"]),
        ({"dram_bandwidth_bytes_per_s": {"value": 1e9, "source": " "}}, ["source", "at least 1 character"]),
        ({"peak_flops_per_s": {}}, ["peak_flops_per_s", "at least 1"]),
        ({"peak_flops_per_s": {"int4": {"value": 1, "source": "x"}}}, ["int4", "bfloat16"]),
        ({"kind": "toaster"}, ["kind", "toaster", "cpu"]),
        ({"calibration": "measured"}, ["calibration", "provenance"]),
        ({"format": "archsearch/architecture"}, ["format", "archsearch/device"]),
        ({"version": 4}, ["version = 4", "versions 1 to 3"]),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, changes, said):
    path = tmp_path / "board.yaml"
    path.write_text(yaml.safe_dump(spec(**changes)), encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        device(path)
    for words in ["board.yaml", *said]:
        assert words in str(caught.value)


@pytest.mark.parametrize("text", ["name: [", "- a\n- b\n", "", "\x00"])
def test_what_is_no_device_file_is_refused(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"broken\.yaml"):
        load_device(path)


def test_unknown_names_and_missing_files():
    with pytest.raises(InvalidInput, match=r"'h1000'.*h100-sxm.*raspberry-pi-5"):
        device("h1000")
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml: No such file"):
        device("nowhere.yaml")


def test_values_are_frozen():
    with pytest.raises(ValidationError):
        device("l4").name = "other"


# Workloads


@pytest.mark.parametrize("field", ["context", "batch", "prefill_chunk"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4"])
def test_a_workload_refuses_sizes_below_one(field, value):
    with pytest.raises(InvalidInput, match=field):
        Workload(**{field: value})


def test_a_workload_lists_the_legal_dtypes():
    with pytest.raises(InvalidInput, match=r"dtype = 'int8'.*float32, float16, bfloat16"):
        Workload(dtype="int8")


def test_a_missing_dtype_lists_what_the_device_has():
    with pytest.raises(InvalidInput, match=r"tpu-v5e.*'float32'.*bfloat16"):
        predict(LFM2, device("tpu-v5e"))
    with pytest.raises(InvalidInput, match=r"'bfloat16'.*float32, float16"):
        predict(LFM2, device("raspberry-pi-5"), Workload(dtype="bfloat16"))


# Predictions

workloads = st.builds(
    Workload,
    context=st.integers(1, 3000),
    batch=st.integers(1, 16),
    dtype=st.sampled_from(DTYPES),
    prefill_chunk=st.integers(1, 700),
)
architectures = st.sampled_from([*SMALL, LFM2, LLAMA])
all_dtypes = st.sampled_from(["h100-sxm", "rtx-4090", "l4"]).map(device)


def ordered(estimate) -> bool:
    return 0 < estimate.low <= estimate.value <= estimate.high < inf


@settings(max_examples=40, deadline=None)
@given(architectures, all_dtypes, workloads)
def test_bounds_hold(architecture, gpu, workload):
    found = predict(architecture, gpu, workload)
    peak, bandwidth = gpu.peak(workload.dtype), gpu.dram_bandwidth_bytes_per_s.value
    size = workload.bytes_per_element
    assert ordered(found.prefill_latency_s)
    assert ordered(found.decode_latency_s)
    assert ordered(found.peak_memory_bytes)
    table = architecture.vocab_size * architecture.width
    weights = size * (found.parameters - (0 if architecture.tied_embeddings else table))
    assert found.decode_latency_s.low >= weights / bandwidth * (1 - 1e-9)
    flops = workload.batch * accounting.prefill_flops(architecture, workload.context)
    assert found.prefill_latency_s.low >= flops / peak * (1 - 1e-9)
    assert found.peak_memory_bytes.low >= size * found.parameters + found.state_bytes
    assert found.fits_in_memory is (found.peak_memory_bytes.value <= gpu.memory_bytes.value)


@settings(max_examples=40, deadline=None)
@given(architectures, all_dtypes, workloads, st.integers(1, 600), st.integers(1, 4))
def test_more_work_is_never_cheaper(architecture, gpu, workload, tokens, sequences):
    def costs(context: int, batch: int) -> list[float]:
        more = Workload(context, batch, workload.dtype, workload.prefill_chunk)
        found = predict(architecture, gpu, more)
        estimates = (found.prefill_latency_s, found.decode_latency_s, found.peak_memory_bytes)
        return [x for e in estimates for x in (e.low, e.value, e.high)]

    base = costs(workload.context, workload.batch)
    for more in (
        costs(workload.context + tokens, workload.batch),
        costs(workload.context, workload.batch + sequences),
    ):
        assert all(b <= m * (1 + 1e-9) for b, m in zip(base, more, strict=True))


@settings(max_examples=30, deadline=None)
@given(architectures, workloads, st.floats(1.01, 100), st.sampled_from(["peak", "bandwidth"]))
def test_a_faster_device_is_faster(architecture, workload, factor, what):
    slow = device("l4")
    if what == "bandwidth":
        better = slow.dram_bandwidth_bytes_per_s
        better = better.model_copy(update={"value": better.value * factor})
        fast = slow.model_copy(update={"dram_bandwidth_bytes_per_s": better})
    else:
        peaks = {
            k: p.model_copy(update={"value": p.value * factor}) for k, p in slow.peak_flops_per_s.items()
        }
        fast = slow.model_copy(update={"peak_flops_per_s": peaks})
    a, b = predict(architecture, slow, workload), predict(architecture, fast, workload)
    assert b.decode_latency_s.value < a.decode_latency_s.value
    assert b.prefill_latency_s.value < a.prefill_latency_s.value
    assert b.peak_memory_bytes == a.peak_memory_bytes


@settings(max_examples=60, deadline=None)
@given(genome_strategies.architectures, all_dtypes, workloads)
def test_a_figure_alone_is_that_of_the_whole_prediction(architecture, gpu, workload):
    whole = predict(architecture, gpu, workload)
    assert {figure: price(architecture, gpu, workload, figure) for figure in FIGURES} == {
        figure: getattr(whole, figure) for figure in FIGURES
    }


@settings(max_examples=60, deadline=None)
@given(genome_strategies.architectures, all_dtypes, workloads)
def test_a_latency_is_the_sum_of_what_runs_to_the_last_bit(architecture, gpu, workload):
    """What is kept of blocks priced before changes nothing."""
    for phase, work in zip(PHASES, (prefill_work, decode_work), strict=True):
        items = list(work(architecture, workload))
        value, low, high = (seconds(items, at) for at in rates(gpu, workload.dtype, phase))
        estimate = price(architecture, gpu, workload, f"{phase}_latency_s")
        assert (estimate.low, estimate.value, estimate.high) == (min(low, value), value, max(high, value))


def test_blocks_that_were_priced_before_are_not_sized_again():
    phone, workload = device("raspberry-pi-5"), Workload(context=2000)
    price(LFM2, phone, workload, "prefill_latency_s")
    sized = roofline._block_s.cache_info().misses
    longer = LFM2.model_copy(update={"blocks": LFM2.blocks[::-1] * 2})
    assert price(longer, phone, workload, "prefill_latency_s").value > 0
    assert roofline._block_s.cache_info().misses == sized


def test_devices_of_one_name_are_priced_apart():
    slow = device("raspberry-pi-5")
    peaks = {k: p.model_copy(update={"value": 2 * p.value}) for k, p in slow.peak_flops_per_s.items()}
    fast = slow.model_copy(update={"peak_flops_per_s": peaks})
    assert hash(slow) == hash(fast) and slow != fast
    assert hash(slow) == hash(device("raspberry-pi-5"))
    first, second = (price(LFM2, each, Workload(), "prefill_latency_s") for each in (slow, fast))
    assert second.value < first.value


@settings(max_examples=30, deadline=None)
@given(architectures, workloads)
def test_the_work_adds_up_to_the_accounting(architecture, workload):
    prefill = sum(w.flops * w.count for w in prefill_work(architecture, workload))
    decode = sum(w.flops * w.count for w in decode_work(architecture, workload))
    assert prefill == workload.batch * accounting.prefill_flops(architecture, workload.context)
    assert decode == workload.batch * accounting.decode_flops_per_token(architecture, workload.context)


def test_the_keys_of_the_design():
    found = predict(LFM2, device("raspberry-pi-5")).to_dict()
    assert list(found) == [
        "parameters",
        "state_bytes",
        "prefill_flops_per_token",
        "decode_flops_per_token",
        "prefill_latency_s",
        "decode_latency_s",
        "peak_memory_bytes",
        "fits_in_memory",
        "device",
        "calibration",
        "context",
        "batch",
        "dtype",
        "weights",
        "head",
        "cache",
        "prefill_energy_j",
        "decode_energy_j",
        "notes",
    ]
    assert list(found["decode_latency_s"]) == ["value", "low", "high"]
    assert (found["context"], found["batch"], found["dtype"]) == (1024, 1, "float32")
    assert json.loads(json.dumps(found)) == found


def test_memory_verdicts():
    assert predict(LFM2, device("raspberry-pi-5")).fits_in_memory is True
    assert predict(LFM2, device("raspberry-pi-5"), Workload(batch=2000)).fits_in_memory is False
    assert predict(LFM2, device("generic-x86-core")).fits_in_memory is None


def test_published_figures_lie_in_the_interval():
    """Llama-3.2-1B, bfloat16, one H100: serving runtimes reach at most half of the bandwidth, one fused
    kernel 78 % (Spector et al., "Look Ma, No Bubbles!", 2025)."""
    found = predict(LLAMA, device("h100-sxm"), Workload(context=128, dtype="bfloat16")).decode_latency_s
    alone = 2 * accounting.parameters(LLAMA) / 3.35e12
    assert found.low <= alone / 0.78 <= found.value
    assert found.value == pytest.approx(alone / 0.5, rel=0.15)
    assert alone / 0.78 * 2.5 <= found.high


@pytest.mark.parametrize("context", [1024, 4096, 32768])
def test_the_hybrid_is_faster_on_the_phone(context):
    """The published order of both models (arXiv 2511.23404, llama.cpp on a Galaxy S25)."""
    phone, workload = device("galaxy-s24-ultra-cpu"), Workload(context=context, dtype="float16")
    hybrid, dense = predict(LFM2, phone, workload), predict(LLAMA, phone, workload)
    assert hybrid.decode_latency_s.value < dense.decode_latency_s.value
    assert hybrid.state_bytes < dense.state_bytes


def test_devices_order_by_bandwidth():
    names = ["h200-sxm", "h100-sxm", "a100-80gb-sxm", "rtx-4090", "l4", "raspberry-pi-5"]
    found = [predict(LFM2, device(n), Workload(dtype="float16")).decode_latency_s.value for n in names]
    assert found == sorted(found)


def test_untied_embeddings_cost_memory_but_no_decode_time():
    untied = LFM2.model_copy(update={"tied_embeddings": False})
    a, b = predict(LFM2, device("l4")), predict(untied, device("l4"))
    assert a.decode_latency_s == b.decode_latency_s
    assert b.peak_memory_bytes.low - a.peak_memory_bytes.low == 4 * LFM2.vocab_size * LFM2.width


def test_smaller_chunks_read_the_weights_more_often():
    whole, parts = (
        sum(w.bytes * w.count for w in prefill_work(LFM2, Workload(prefill_chunk=chunk)))
        for chunk in (1024, 256)
    )
    head = LFM2.vocab_size * LFM2.width
    assert parts - whole >= 4 * 3 * (accounting.parameters(LFM2) - head - LFM2.width)


def test_the_ridge_is_rounded():
    assert p_norm(1, 1, inf) == 1
    found = Rates(1e9, 1e9, 0.5)
    assert found.seconds(1e9, 1e9) == pytest.approx(RIDGE + 0.5)
    assert found.seconds(0, 0) == 0.5
    assert found.seconds(1e9, 1) == pytest.approx(1.5)


# Fitting


def synthetic_rows(
    peaks: dict[str, float], bandwidth: float, floor: float, spread: float = 1.05
) -> list[dict]:
    rows = [row("dispatch", "float32", 8, 64, floor, spread)]
    for dtype, peak in peaks.items():
        ideal = Rates(peak, bandwidth, floor)
        for n in (512, 1024, 2048):
            flops, moved = 2 * n**3, 12 * n**2
            rows.append(row("matmul", dtype, flops, moved, ideal.seconds(flops, moved), spread))
        size = 1 << 28
        rows.append(row("matvec", dtype, size / 2, size, ideal.seconds(size / 2, size), spread))
    return rows


def synthetic_fit(peak: float = 2e11, bandwidth: float = 3e10, spread: float = 1.05) -> Device:
    rows = synthetic_rows({"float32": peak}, bandwidth, 5e-6, spread)
    return fit_device("mine", rows, PROVENANCE, memory_bytes=8e9, cache_bytes=3e7)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e10, 1e15), st.floats(10, 200), st.floats(0, 1e-5))
def test_a_fit_recovers_the_peaks(peak, intensity, floor):
    bandwidth = peak / intensity
    rows = synthetic_rows({"float32": peak}, bandwidth, max(floor, 1e-9))
    found = fit_device("mine", rows, PROVENANCE)
    assert found.peak("float32") == pytest.approx(peak, rel=0.05)
    assert found.dram_bandwidth_bytes_per_s.value == pytest.approx(bandwidth, rel=0.05)
    assert found.overhead_s.value == pytest.approx(floor, abs=1e-9)
    assert found.matvec_flops_per_s == {}
    assert found.provenance.date == date(2025, 1, 31)
    assert len(found.provenance.rows) == len(rows)


def test_a_slow_matvec_is_kept_apart():
    """XLA on CPUs multiplies a bfloat16 matrix by a vector far below the bandwidth."""
    rows = synthetic_rows({"float32": 2e11, "bfloat16": 1.8e11}, 2e10, 5e-6)
    slow = next(r for r in rows if r["probe"] == "matvec" and r["dtype"] == "bfloat16")
    for key in ("median_s", "p10_s", "p90_s"):
        slow[key] *= 15
    found = fit_device("mine", rows, PROVENANCE)
    assert list(found.matvec_flops_per_s) == ["bfloat16"]
    assert rates(found, "bfloat16", "prefill")[0].flops_per_s > 1e11
    at = rates(found, "bfloat16", "decode")[0]
    assert at.seconds(slow["flops"], slow["bytes"]) == pytest.approx(slow["median_s"], rel=1e-6)
    half = predict(LFM2, found, Workload(dtype="bfloat16")).decode_latency_s
    assert half.value > 5 * predict(LFM2, found).decode_latency_s.value


def test_a_measured_profile_is_tighter_than_its_figures_alone():
    measured = synthetic_fit()
    alone = measured.model_copy(update={"calibration": "spec-only", "provenance": None})
    for phase in ("prefill_latency_s", "decode_latency_s"):
        a, b = (getattr(predict(LFM2, d), phase) for d in (measured, alone))
        assert a.high / a.low < b.high / b.low
        assert ordered(a)


def test_noisy_repeats_widen_the_interval():
    calm, noisy = synthetic_fit(spread=1.02), synthetic_fit(spread=1.5)
    a, b = (predict(LFM2, d).decode_latency_s for d in (calm, noisy))
    assert b.low < a.low <= a.value == b.value <= a.high < b.high


@pytest.mark.parametrize(
    ("rows", "provenance", "said"),
    [
        ([], PROVENANCE, "matvec"),
        ([row("matvec", "float32", 1e8, 1e9, 1)], PROVENANCE, "matmul"),
        ([{"probe": "matmul"}], PROVENANCE, "median_s is missing"),
        ([row("matvec", "float32", 1, 1, 0)], PROVENANCE, "median_s = 0"),
        ([row("matvec", "float32", 1, 1, 1) | {"p10_s": 2}], PROVENANCE, "rising order"),
        (synthetic_rows({"float32": 1e11}, 1e10, 1e-6), {}, "provenance.runtime is missing"),
    ],
)
def test_unusable_rows_are_refused(rows, provenance, said):
    with pytest.raises(InvalidInput, match=said):
        fit_device("mine", rows, provenance)


# The room


def test_the_room_is_light():
    code = "import sys, hardware_profiles; print([m for m in ('jax', 'flax', 'ray') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pricing_does_not_need_a_scale():
    """One architecture value is all that a price takes, whatever wrote it."""
    again = Architecture.model_validate(LFM2.model_dump() | {"blocks": LFM2.blocks})
    assert predict(again, device("l4")) == predict(LFM2, device("l4"))
