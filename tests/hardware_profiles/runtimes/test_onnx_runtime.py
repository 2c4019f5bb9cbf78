"""onnxruntime as a runtime: refusals, integers, and (slow) the real thing against our models."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archsearch.campaign.file import load_campaign
from archsearch.campaign.pricing import Pricing
from archsearch.evidence.finalists import places
from genomes import InvalidInput, Scale, parse_layout
from hardware_profiles import Workload, predict
from hardware_profiles.measuring.calibrate import calibrate
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.validate import validate
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.onnx_runtime.binding import OnnxRuntimeSession
from hardware_profiles.runtimes.onnx_runtime.model import check_runs, write_onnx
from hardware_profiles.runtimes.onnx_runtime.stacks import LAYOUTS, stack
from hardware_profiles.runtimes.table import LLAMA_CPP, ONNXRUNTIME, RUNTIMES, read_types, runtime_of
from hardware_profiles.runtimes.weights import BITS
from support import ROOT, made_up
from support import onnx_runtime_cases as made

TOKENS, ROOM = 45, 50
PIECES = {"whole": [45], "in chunks": [16, 16, 13], "step by step": [1] * 45, "mixed": [20, 1, 1, 7, 16]}
CLOSE = 5e-6
"""Of the largest logit; what float32 leaves of sums in another order."""

# What is run


@pytest.mark.parametrize("name", made.BLOCKS)
def test_what_has_a_kernel_is_run(name: str) -> None:
    check_runs(made.of_block(name))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_calibrated_block_is_run(layout: str) -> None:
    block = parse_layout(layout).blocks[0].at(Scale(width=256, head_dim=64))
    check_runs(stack(block, 256, 512, 3))
    assert stack(block, 256, 512, 3).blocks == (block,) * 3
    assert len(stack(None, 256, 512, 2).blocks) == 2


@pytest.mark.parametrize("layout", ONNXRUNTIME.whole_models)
def test_small_models_of_a_calibration_are_run(layout: str) -> None:
    scale = Scale(width=256, head_dim=64, blocks=8, vocab_size=512, repeat="stack")
    check_runs(parse_layout(layout).at(scale))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"op": "rg_lru", "lru_width": 64, "heads": 4},
            r"blocks\[1\] \(rg_lru\) has no writer; it writes ",
        ),
        ({"op": "hyena"}, r"blocks\[1\] \(hyena\) has an implicit filter"),
        (made.ATTENTION | {"head_dim": 24}, r"\(attention\) has head_dim = 24, no multiple of 16"),
        (made.ATTENTION | {"rotary_dim": 8}, r"\(attention\) has rotary_dim = 8, no multiple of 16"),
        (made.ATTENTION | {"head_dim": 12, "rope_theta": None}, r"has head_dim = 12, no multiple of 8;"),
        (made.ATTENTION | {"head_dim": 32, "differential": True}, r"\(attention\) is differential"),
        (made.ATTENTION | {"shares": [{"what": "keys", "with": 0}]}, r"shares keys with another block"),
    ],
)
def test_what_is_not_written_is_named(block: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"archsearch does not write .* as ONNX: .*{message}"):
        check_runs(made.architecture(made.ATTENTION, block))


# Input


def test_types_are_read() -> None:
    assert read_types("float32/int4/float16", ONNXRUNTIME) == ("float32", "int4", "float16")
    with pytest.raises(InvalidInput, match=r"legal for onnxruntime: float32; .* int8 or int4; .* float16"):
        read_types("float32/float16", ONNXRUNTIME)
    with pytest.raises(InvalidInput, match=r"dtype = 'bfloat16'; .* onnxruntime is measured with float32"):
        measure(made.of_block("swiglu"), Workload(dtype="bfloat16"), "onnxruntime")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_says_how_to_install_it(package: str) -> None:
    code = f"""if True:
        import sys
        sys.modules["{package}"] = None
        from hardware_profiles.runtimes.onnx_runtime.binding import require_package
        require_package("{package}")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"InvalidInput: the runtime onnxruntime needs the package {package} " in done.stderr
    assert "pip install '.[onnxruntime]'" in done.stderr


@pytest.mark.parametrize(
    ("measured_by", "asked"),
    [
        ("onnxruntime-cpu", "jax"),
        ("jax-cpu", "onnxruntime"),
        ("llama.cpp-cpu", "onnxruntime"),
        ("onnxruntime-cpu", "llama.cpp"),
    ],
)
def test_rows_of_two_runtimes_are_never_mixed(tmp_path: Path, measured_by: str, asked: str) -> None:
    case = {"operator": "head", "block": {}, "width": 64, "vocab_size": 96, "copies": 1, "context": 16}
    row = {"case": case, "origin": made.ORIGIN | {"runtime": measured_by}}
    (tmp_path / "here.rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InvalidInput, match=rf"rows of {measured_by} 1 .*, asked for {asked} .* never mixed"):
        calibrate("here", tmp_path / "here.yaml", made.TINY, ["swiglu"], types=["float32"], runtime=asked)


@pytest.mark.parametrize("runtime", [LLAMA_CPP, ONNXRUNTIME], ids=lambda runtime: runtime.name)
def test_finalists_know_a_profile_of_here_by_the_threads_of_its_runtime(runtime: Runtime) -> None:
    """Onnxruntime counts cores where the others count hyper-threads."""
    types = "{metric: decode_latency_s, device: made-up, context: 16, weights: int8, cache: float16}"
    quickstart = ROOT / "examples" / "quickstart.yaml"
    campaign = load_campaign(quickstart, [f"objectives=[{{metric: quality}}, {types}]"])
    for threads, way in ((3, "here"), (5, None)):
        measured_by = replace(runtime, threads=lambda: 3)
        origin = made.ORIGIN | {"runtime": f"{runtime.provenance}cpu", "threads": threads}
        device = made_up.profile(runtime, made.TINY, origin)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(RUNTIMES, runtime.name, measured_by)
            (place,) = places(Pricing.of(campaign, {"made-up": device}))
        assert place.way == way


# Pricing


def test_a_profile_of_onnxruntime_refuses_what_it_does_not_run() -> None:
    profile, workload = made.device(), Workload(context=16, weights="int8", cache="float16")
    assert runtime_of(profile) is ONNXRUNTIME
    assert "onnxruntime 1, fastest measured" in profile.peak_flops_per_s["float32"].source
    model = made.of_block("kda")
    assert predict(model, profile, workload).decode_latency_s.value > 0
    with pytest.raises(
        InvalidInput, match=r"blocks\[0\] \(moe\) was not measured with onnxruntime-cpu; .* attention"
    ):
        predict(parse_layout("moe").at(Scale(width=64, head_dim=16, vocab_size=96)), profile, workload)


def test_the_last_feed_forward_of_a_prompt_costs_as_any() -> None:
    profile, workload = made.device(), Workload(context=16, weights="int8", cache="float16")
    one, whole = (
        predict(made.architecture(*blocks), profile, workload)
        for blocks in ([made.ATTENTION], [made.ATTENTION, made.SWIGLU])
    )
    assert one.prefill_latency_s.value < whole.prefill_latency_s.value


def test_a_candidate_that_the_runtime_does_not_run_is_rejected_with_the_cause() -> None:
    price = "{metric: decode_latency_s, device: made-up, context: 16, weights: int8, cache: float16}"
    quickstart = ROOT / "examples" / "quickstart.yaml"
    campaign = load_campaign(quickstart, [f"objectives=[{{metric: quality}}, {price}]"])
    pricing = Pricing.of(campaign, {"made-up": made.device()})
    costs, cause = pricing.judged(made.of_block("attention"))
    assert costs and cause is None
    costs, cause = pricing.judged(made.architecture({"op": "rg_lru", "lru_width": 64, "heads": 4}))
    assert costs == {} and cause is not None and "(rg_lru) was not measured with onnxruntime-cpu" in cause


# The real thing


def _found(path: Path, tokens: np.ndarray, pieces: list[int]) -> list[np.ndarray]:
    """What a file gives, piece after piece."""
    session, first, found = OnnxRuntimeSession(path, len(tokens), tokens=tokens.tolist()), 0, []
    session.clear()
    for size in pieces:
        found.append(session.read(first, first + size))
        first += size
    session.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", made.BLOCKS)
def test_logits_are_those_of_our_model(tmp_path: Path, name: str) -> None:
    tokens = np.random.default_rng(1).integers(0, 96, TOKENS)
    for tied in (True, False):
        architecture = made.of_block(name, tied)
        params = made.weights(architecture)
        ours = made.logits(architecture, params, tokens)
        for given in ("all", "last"):
            write_onnx(architecture, tmp_path / "model.onnx", ROOM, params=params, logits=given)
            for pieces in PIECES.values():
                found = _found(tmp_path / "model.onnx", tokens, pieces)
                got, expected = (np.concatenate(found), ours) if given == "all" else (found[-1], ours[-1])
                assert np.abs(got - expected).max() < CLOSE * np.abs(ours).max()


@pytest.mark.slow
def test_scales_and_shared_weights_are_those_of_our_model(tmp_path: Path) -> None:
    shared = [
        block | {"shares": [{"what": "weights", "with": i}]}
        for i, block in enumerate([made.ATTENTION, made.SWIGLU])
    ]
    architecture = made.architecture(made.ATTENTION, made.SWIGLU, *shared, **made.SCALES)
    params, tokens = made.weights(architecture), np.random.default_rng(1).integers(0, 96, TOKENS)
    write_onnx(architecture, tmp_path / "model.onnx", ROOM, params=params, logits="all")
    ours = made.logits(architecture, params, tokens)
    for pieces in PIECES.values():
        found = np.concatenate(_found(tmp_path / "model.onnx", tokens, pieces))
        assert np.abs(found - ours).max() < CLOSE * np.abs(ours).max()
    alone = made.architecture(made.ATTENTION, made.SWIGLU)
    write_onnx(alone, tmp_path / "alone.onnx", ROOM)
    sizes = [(tmp_path / f"{name}.onnx.data").stat().st_size for name in ("model", "alone")]
    assert sizes[0] == sizes[1]


@pytest.mark.slow
@pytest.mark.parametrize("weights", BITS)
@pytest.mark.parametrize("tied", [True, False])
def test_integers_give_the_logits_of_restored_weights(tmp_path: Path, weights: str, tied: bool) -> None:
    from proxies import quantised

    architecture = made.architecture(made.ATTENTION, made.SWIGLU, made.BLOCKS["mamba2"], tied=tied)
    params, tokens = made.weights(architecture), np.random.default_rng(1).integers(0, 96, TOKENS)
    restored = quantised.restore(quantised.store(params, weights), "float32")
    ours = made.logits(architecture, restored, tokens)
    write_onnx(architecture, tmp_path / "model.onnx", ROOM, weights, params=params, logits="all")
    for pieces in PIECES.values():
        found = np.concatenate(_found(tmp_path / "model.onnx", tokens, pieces))
        # Activations are rounded to 8 bits in every product.
        assert np.abs(found - ours).max() < 0.03 * np.abs(ours).max()
        assert np.abs(found - ours).mean() < 0.01 * np.abs(ours).max()


@pytest.mark.slow
def test_a_cache_in_float16_gives_nearly_the_same_logits(tmp_path: Path) -> None:
    architecture = made.of_block("attention of every field")
    params, tokens = made.weights(architecture), np.random.default_rng(1).integers(0, 96, TOKENS)
    ours = made.logits(architecture, params, tokens)
    write_onnx(architecture, tmp_path / "model.onnx", ROOM, cache="float16", params=params, logits="all")
    for pieces in PIECES.values():
        found = np.concatenate(_found(tmp_path / "model.onnx", tokens, pieces))
        assert 0 < np.abs(found - ours).max() < 2e-3 * np.abs(ours).max()


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float32", "int4"])
def test_a_model_is_measured_at_further_depths(weights: str) -> None:
    model = made.architecture(*made.BLOCKS.values())
    workload = Workload(40, weights=weights, cache="float16")
    measurement = measure(model, workload, "onnxruntime", processes=1, depths=[8, 90])
    assert (measurement.workload, measurement.runtime) == (workload, "onnxruntime")
    assert all(quantiles.median > 0 for quantiles in measurement.figures.values())
    assert measurement.decode_latency_by_depth_s.keys() == {"8", "90"}
    circumstances = measurement.circumstances
    assert circumstances.versions.keys() == {"python", "onnx", "onnxruntime"}
    assert circumstances.options is not None
    assert circumstances.options["intra_op_num_threads"] == circumstances.threads


@pytest.mark.slow
def test_a_tiny_calibration_is_judged_by_a_whole_model(tmp_path: Path) -> None:
    layouts = ("attention", "swiglu(2)")
    profile = calibrate("here", tmp_path / "here.yaml", made.TINY, layouts, runtime="onnxruntime")
    assert profile.provenance is not None and profile.provenance.runtime == "onnxruntime-cpu"
    assert {family.operator for family in profile.families} == {"head", "attention", "swiglu"}
    scale = Scale(width=64, head_dim=64, vocab_size=300)
    model = parse_layout("attention swiglu(2) swiglu(2)").at(scale)
    workload = Workload(16, weights="int8", cache="float16")
    judgement = validate(profile, [("small", model)], workload, processes=1)
    assert judgement.runtime == "onnxruntime" and judgement.models[0].notes == ()
    with pytest.raises(
        InvalidInput, match=r"blocks\[0\] \(short_conv\) was not measured with onnxruntime-cpu"
    ):
        validate(profile, [("other", parse_layout("short_conv").at(scale))], Workload(16))
