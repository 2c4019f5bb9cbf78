"""llama.cpp as a runtime: which classes hold what, refusals, and (slow) the real thing against our models."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from archsearch.campaign.file import load_campaign
from archsearch.campaign.pricing import Pricing
from genomes import InvalidInput, Scale, accounting, parse_layout
from hardware_profiles import Workload, device, predict
from hardware_profiles.measuring.calibrate import calibrate
from hardware_profiles.measuring.grid import cases
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.validate import validate
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.llama_cpp import q6_k
from hardware_profiles.runtimes.llama_cpp.binding import ROOM, LlamaCppSession
from hardware_profiles.runtimes.llama_cpp.classes import gguf_class
from hardware_profiles.runtimes.llama_cpp.gguf import write_gguf
from hardware_profiles.runtimes.llama_cpp.stacks import LAYOUTS, stack
from hardware_profiles.runtimes.llama_cpp.tensors import tensors
from hardware_profiles.runtimes.table import JAX, LLAMA_CPP, find_runtime, read_types, runtime_of
from hardware_profiles.traits import LLAMA_CPP as LLAMA_CPP_TRAITS
from hardware_profiles.work import weight_bytes
from hardware_profiles.workload import stored_bytes
from support import ROOT, made_up
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


# Files

TYPES = ["float32", "float16", "int8", "int4"]


def tensor_types(path: Path) -> dict[str, str]:
    """Type of each tensor of a file, as the package that llama.cpp's authors publish reads it."""
    reader = gguf.GGUFReader(path)
    return {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}


@pytest.mark.parametrize("weights", TYPES)
@pytest.mark.parametrize("width", [128, 256])
@pytest.mark.parametrize("tied", [True, False])
def test_a_file_is_as_large_as_it_is_priced(tmp_path: Path, width: int, tied: bool, weights: str) -> None:
    blocks = (made.ATTENTION, made.SWIGLU, made.ATTENTION, made.SWIGLU)
    architecture = made.architecture(*blocks, tied=tied, width=width)
    written = write_gguf(architecture, tmp_path / "model.gguf", weights)
    workload = LLAMA_CPP_TRAITS.shipped(Workload(weights=weights))
    vectors = 0 if weights in ("int8", "int4") else 5 * width * (4 - stored_bytes(1, weights))
    assert written == weight_bytes(architecture, workload) + vectors


@pytest.mark.parametrize(
    ("width", "weights", "head"),
    [(256, "int4", "Q6_K"), (128, "int4", "Q8_0"), (256, "int8", "Q8_0"), (256, "float16", "F16")],
)
def test_the_table_of_the_logits_has_the_type_that_llama_cpp_gives_it(
    tmp_path: Path, width: int, weights: str, head: str
) -> None:
    tied, untied = (
        made.architecture(made.ATTENTION, made.SWIGLU, tied=tied, width=width) for tied in (True, False)
    )
    write_gguf(tied, tmp_path / "tied.gguf", weights)
    write_gguf(untied, tmp_path / "untied.gguf", weights)
    others = {"int4": "Q4_0", "int8": "Q8_0", "float16": "F16"}[weights]
    found = tensor_types(tmp_path / "tied.gguf")
    assert (found["token_embd.weight"], found["blk.0.ffn_up.weight"]) == (head, others)
    found = tensor_types(tmp_path / "untied.gguf")
    assert (found["token_embd.weight"], found["output.weight"]) == (others, head)


def test_six_bits_come_back_as_ggml_reads_them() -> None:
    """Within a step of the group, whose scale is itself rounded to a 128th of the block's largest."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((6, 512), np.float32) * rng.uniform(0.1, 2, (6, 512)).astype(np.float32)
    matrix[1] = 0
    matrix[2, :16] = 0
    back = gguf.dequantize(q6_k.quantise(matrix), gguf.GGMLQuantizationType.Q6_K)
    groups, errors = np.abs(matrix).reshape(6, 2, 16, 16), np.abs(back - matrix).reshape(6, 2, 16, 16)
    steps = groups.max(-1) / 32 + groups.max((-1, -2))[..., None] / 128 / 2
    assert back.shape == matrix.shape and not back[1].any() and not back[2, :16].any()
    assert (errors.max(-1) <= 1.01 * steps).all()
    assert errors.mean() < 0.03 * groups.mean()


def test_cheap_six_bits_are_as_large_as_other_weights() -> None:
    matrix = gguf.dequantize(q6_k.cheap(40, 512), gguf.GGMLQuantizationType.Q6_K)
    assert matrix.shape == (40, 512)
    assert matrix.std() == pytest.approx(512**-0.5, rel=0.05)


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
    assert "pip install '.[llama-cpp]'" in done.stderr


@pytest.mark.parametrize(("measured_by", "asked"), [("llama.cpp-cpu", "jax"), ("jax-cpu", "llama.cpp")])
def test_rows_of_two_runtimes_are_never_mixed(tmp_path: Path, measured_by: str, asked: str) -> None:
    case = {"operator": "head", "block": {}, "width": 64, "vocab_size": 96, "copies": 1, "context": 16}
    row = {"case": case, "origin": made.ORIGIN | {"runtime": measured_by}}
    (tmp_path / "here.rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(InvalidInput, match=rf"rows of {measured_by} b1 .*, asked for {asked} .* never mixed"):
        calibrate("here", tmp_path / "here.yaml", made.TINY, ["swiglu"], types=["float32"], runtime=asked)


# Pricing


def test_a_head_is_measured_in_the_type_that_it_is_priced_in() -> None:
    grid = replace(made.TINY, widths=(256,), types=("float32/int4/float16", "float32/int8/float16"))
    heads = {(case.weights, case.head) for case in cases(grid, LAYOUTS, LLAMA_CPP)}
    assert heads == {("int4", "q6_k"), ("int8", None)}
    assert {case.head for case in cases(replace(grid, types=("float32/int4",)), ["swiglu"], JAX)} == {None}
    profile = made_up.profile(LLAMA_CPP, grid, made.ORIGIN)
    model = made.architecture(made.ATTENTION, made.SWIGLU, width=256)
    four, eight = (Workload(context=16, weights=w, cache="float16") for w in ("int4", "int8"))
    assert [predict(model, profile, at).head for at in (four, eight)] == ["q6_k", "int8"]
    assert predict(model, profile, four).notes == predict(model, profile, eight).notes == ()
    older = [family.model_copy(update={"head": None}) for family in profile.families]
    older_profile = profile.model_copy(update={"families": tuple(older)})
    assert predict(model, older_profile, four).notes == ("head: measured in int4, not in q6_k",)
    assert predict(model, older_profile, eight).notes == ()


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
def test_llama_cpp_reads_six_bits_as_they_were_meant(tmp_path: Path) -> None:
    """The blocks add nothing, so logits are embeddings times embeddings, both from the table in Q6_K."""
    import jax

    from proxies.model import Model

    architecture = made.architecture(made.ATTENTION, made.SWIGLU, width=256)
    params = Model(architecture).init(jax.random.key(0), method="create")["params"]
    params = jax.tree.map(np.asarray, params)
    params["ops_0"]["out"] = 0 * params["ops_0"]["out"]
    params["ops_1"]["down"] = 0 * params["ops_1"]["down"]
    found = {}
    for weights in ("float32", "int4"):
        write_gguf(architecture, tmp_path / f"{weights}.gguf", weights, params)
        session = LlamaCppSession(tmp_path / f"{weights}.gguf", 8)
        session.clear()
        session.prefill()
        found[weights] = session.logits().ravel()
        session.close()
    assert tensor_types(tmp_path / "int4.gguf")["token_embd.weight"] == "Q6_K"
    others = np.arange(found["float32"].size) != found["float32"].argmax()  # the token itself stands out
    assert np.corrcoef(found["float32"][others], found["int4"][others])[0, 1] > 0.998


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
