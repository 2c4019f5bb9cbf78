"""llama.cpp as a runtime: which classes hold what, refusals, and (slow) the real thing against our models."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from archsearch.campaign.file import load_campaign
from archsearch.campaign.pricing import Pricing
from genomes import InvalidInput, Scale, accounting, parse_layout
from hardware_profiles import Workload, device, predict
from hardware_profiles.measuring.calibrate import calibrate
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.validate import validate
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.llama_cpp.binding import ROOM, LlamaCppSession
from hardware_profiles.runtimes.llama_cpp.classes import gguf_class
from hardware_profiles.runtimes.llama_cpp.gguf import write_gguf
from hardware_profiles.runtimes.llama_cpp.stacks import LAYOUTS, stack
from hardware_profiles.runtimes.llama_cpp.tensors import tensors
from hardware_profiles.runtimes.table import JAX, LLAMA_CPP, find_runtime, read_types, runtime_of
from support import ROOT
from support import llama_cpp_cases as made

# Classes


@pytest.mark.parametrize("name", made.CLASSES)
@pytest.mark.parametrize("tied", [True, False])
def test_every_weight_of_a_class_has_a_tensor(name: str, tied: bool) -> None:
    architecture = made.of_class(name, tied)
    found = list(tensors(architecture, gguf_class(architecture)))
    assert gguf_class(architecture).name == name
    assert made.elements([tensor.shape for tensor in found]) == accounting.parameters(architecture)
    assert len({tensor.name for tensor in found}) == len({tensor.ours for tensor in found}) == len(found)


RG_LRU = {"op": "rg_lru", "lru_width": 128, "heads": 4}


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [made.ATTENTION, made.SWIGLU, RG_LRU, made.SWIGLU],
            r"blocks\[2\] \(rg_lru\): legal: attention .* class llama; .* writes llama \(.*\), qwen3 \(",
        ),
        (
            [made.ATTENTION, made.SWIGLU, made.ATTENTION | {"kv_heads": 1}, made.SWIGLU],
            r"blocks\[2\] \(attention\): kv_heads = 1; legal: 2, as in the others",
        ),
        (
            [made.ATTENTION | {"gated": True}, made.SWIGLU],
            r"\(attention\): gated = true; legal: false",
        ),
        ([made.ATTENTION | {"window": 8}, made.SWIGLU], "not write GraniteSWAForCausalLM as GGUF yet"),
        ([made.SHORT_CONV, made.SWIGLU], "no block is attention, in its nearest class lfm2"),
        (
            [made.ATTENTION, made.SWIGLU, made.ATTENTION],
            r"blocks\[2\] \(attention\): its layer has no feed-forward",
        ),
        (
            [made.SHORT_CONV, made.SWIGLU, made.QK_NORM | {"heads": 2}, made.SWIGLU],
            r"blocks\[2\] \(attention\): its heads are 64 wide together; 128 is needed",
        ),
    ],
)
def test_what_no_class_holds_is_named(blocks: list, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        gguf_class(made.architecture(*blocks))


def test_scales_are_refused_where_a_class_has_none() -> None:
    with pytest.raises(InvalidInput, match=r"residual_scale = 0\.5 has no counterpart"):
        gguf_class(made.architecture(made.QK_NORM, made.SWIGLU, residual_scale=0.5))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("copies", [1, 3])
def test_every_calibrated_block_has_a_stack_that_runs(layout: str, copies: int) -> None:
    block = parse_layout(layout).blocks[0].at(Scale(width=256, head_dim=64))
    found = stack(block, 256, 512, copies)
    assert gguf_class(found) and found.blocks.count(block) == copies
    assert len(stack(None, 256, 512, copies).blocks) == 2 * copies


# Input


@pytest.mark.parametrize(
    ("text", "runtime", "found"),
    [
        ("float32", JAX, ("float32", None, None)),
        ("bfloat16/int4", JAX, ("bfloat16", "int4", None)),
        ("float32/int4/float16", LLAMA_CPP, ("float32", "int4", "float16")),
        ("float32/float32/int8", LLAMA_CPP, ("float32", None, "int8")),
        ("float32/float16", LLAMA_CPP, ("float32", "float16", None)),
    ],
)
def test_types_are_read(text: str, runtime: Runtime, found: tuple) -> None:
    assert read_types(text, runtime) == found


@pytest.mark.parametrize(
    ("text", "runtime"),
    [
        ("float16", LLAMA_CPP),
        ("float32/int2", LLAMA_CPP),
        ("float32/int4/int4", LLAMA_CPP),
        ("float32/int4/float16/x", LLAMA_CPP),
        ("float32/int4/float16", JAX),
        ("float32/", JAX),
    ],
)
def test_types_that_are_not_run_are_refused(text: str, runtime: Runtime) -> None:
    with pytest.raises(InvalidInput, match=rf"types = '{text}'; legal for {runtime.name}: "):
        read_types(text, runtime)


def test_a_workload_that_is_not_measured_is_refused() -> None:
    model = made.of_class("llama")
    with pytest.raises(InvalidInput, match=r"dtype = 'bfloat16'; .* llama.cpp is measured with float32"):
        measure(model, Workload(dtype="bfloat16"), "llama.cpp")
    with pytest.raises(InvalidInput, match=r"cache = 'int8'; .* jax is measured with float32"):
        measure(model, Workload(cache="int8"))
    with pytest.raises(InvalidInput, match=r"runtime = 'onnx'; legal: jax, llama\.cpp"):
        find_runtime("onnx")


def test_a_missing_binding_says_how_to_install_it() -> None:
    code = """if True:
        import sys
        sys.modules["cyllama"] = None
        from hardware_profiles.runtimes.llama_cpp.binding import versions
        versions()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "InvalidInput: the runtime llama.cpp needs the package cyllama" in done.stderr
    assert "pip install archsearch[llama-cpp]" in done.stderr


@pytest.mark.parametrize(("measured_by", "asked"), [("llama.cpp-cpu", "jax"), ("jax-cpu", "llama.cpp")])
def test_rows_of_two_runtimes_are_never_mixed(tmp_path: Path, measured_by: str, asked: str) -> None:
    case = {"operator": "head", "block": {}, "width": 64, "vocab_size": 96, "copies": 1, "context": 16}
    row = {"case": case, "origin": made.ORIGIN | {"runtime": measured_by}}
    (tmp_path / "here.rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InvalidInput, match=rf"rows of {measured_by} b1 .*, asked for {asked} .* never mixed"):
        calibrate("here", tmp_path / "here.yaml", made.TINY, ["swiglu"], types=["float32"], runtime=asked)


# Pricing


def test_a_profile_of_llama_cpp_refuses_what_it_does_not_run() -> None:
    profile, workload = made.device(), Workload(context=16, weights="int8", cache="float16")
    assert runtime_of(profile) is LLAMA_CPP and runtime_of(device("raspberry-pi-5")) is JAX
    assert "llama.cpp b1, fastest measured" in profile.peak_flops_per_s["float32"].source
    assert predict(made.of_class("lfm2"), profile, workload).decode_latency_s.value > 0
    foreign = made.architecture(made.ATTENTION, RG_LRU)
    with pytest.raises(
        InvalidInput, match=r"blocks\[1\] \(rg_lru\) was not measured with llama.cpp-cpu; .* attention, "
    ):
        predict(foreign, profile, workload)


def test_the_last_feed_forward_of_a_prompt_costs_nothing() -> None:
    profile, workload = made.device(), Workload(context=16, weights="int8", cache="float16")
    one, whole = (
        predict(made.architecture(*blocks), profile, workload)
        for blocks in ([made.ATTENTION], [made.ATTENTION, made.SWIGLU])
    )
    assert one.prefill_latency_s == whole.prefill_latency_s
    assert one.decode_latency_s.value < whole.decode_latency_s.value


def test_a_candidate_that_the_runtime_does_not_run_is_rejected_with_the_cause() -> None:
    price = "{metric: decode_latency_s, device: made-up, context: 16, weights: int8, cache: float16}"
    quickstart = ROOT / "examples" / "quickstart.yaml"
    campaign = load_campaign(quickstart, [f"objectives=[{{metric: quality}}, {price}]"])
    pricing = Pricing.of(campaign, {"made-up": made.device()})
    costs, cause = pricing.judged(made.of_class("llama"))
    assert costs and cause is None
    costs, cause = pricing.judged(made.architecture(RG_LRU))
    assert costs == {} and cause is not None and "(rg_lru) was not measured with llama.cpp-cpu" in cause


# The real thing


@pytest.mark.slow
@pytest.mark.parametrize("name", made.CLASSES)
@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_those_of_our_model(tmp_path: Path, name: str, tied: bool) -> None:
    import jax

    from proxies.model import Model

    architecture, rng = made.of_class(name, tied), np.random.default_rng(0)
    tokens = rng.integers(0, architecture.vocab_size, 21).tolist()
    params = Model(architecture).init(jax.random.key(0), method="create")["params"]
    params = jax.tree.map(
        lambda w: np.asarray(w) * (1 + 0.3 * rng.standard_normal(w.shape, np.float32)), params
    )
    params["embedding"] = 20 * params["embedding"]
    write_gguf(architecture, tmp_path / "model.gguf", "float32", params)
    ours = Model(architecture).apply({"params": params}, np.array([tokens]), method="forward")[0, -1]
    session = LlamaCppSession(tmp_path / "model.gguf", len(tokens), 8, tokens=tokens)
    session.clear()
    session.prefill()
    assert np.abs(session.logits() - ours).max() < 1e-3 * np.abs(ours).max()
    session.step_back()
    session.decode()
    once = session.logits()
    for _ in range(ROOM):  # after which a recurrence has been put back
        session.step_back()
        session.decode()
    np.testing.assert_allclose(session.logits(), once, rtol=1e-4, atol=1e-4)
    session.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", made.CLASSES)
def test_every_class_is_measured_in_narrow_types(name: str) -> None:
    workload = Workload(40, weights="int4", cache="int8")
    measurement = measure(made.of_class(name), workload, "llama.cpp", processes=1)
    assert (measurement.workload, measurement.runtime) == (workload, "llama.cpp")
    assert all(quantiles.median > 0 for quantiles in measurement.figures.values())
    assert measurement.circumstances.versions["llama.cpp"].startswith("b")


@pytest.mark.slow
def test_a_tiny_calibration_is_judged_by_a_whole_model(tmp_path: Path) -> None:
    layouts = ("attention", "swiglu(2)")
    profile = calibrate("here", tmp_path / "here.yaml", made.TINY, layouts, runtime="llama.cpp")
    assert profile.provenance is not None and profile.provenance.runtime == "llama.cpp-cpu"
    assert {family.operator for family in profile.families} == {"head", "attention", "swiglu"}
    scale = Scale(width=64, head_dim=64, vocab_size=300)
    model = parse_layout("attention swiglu(2) attention swiglu(2)").at(scale)
    workload = Workload(16, weights="int8", cache="float16")
    judgement = validate(profile, [("small", model)], workload, processes=1)
    assert judgement.runtime == "llama.cpp" and judgement.models[0].notes == ()
    with pytest.raises(InvalidInput, match=r"blocks\[0\] \(short_conv\) was not measured with llama.cpp-cpu"):
        validate(profile, [("other", parse_layout("short_conv").at(scale))], Workload(16))
