"""Which classes of published models hold a layout."""

import numpy as np
import pytest

from genomes import (
    LOADERS,
    PUBLISHED_CLASSES,
    DeploysTo,
    InvalidInput,
    Loader,
    PublishedClass,
    Scale,
    deployable,
    loaded_as,
    parse_layout,
    preset,
    random_genome,
    reference,
)
from support.published_cases import LAYOUTS

STACKED = Scale(width=1024, head_dim=64, context=4096)

REFERENCES = {
    "transformer++": "LlamaForCausalLM",
    "llama": "LlamaForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "mamba2-hybrid": "GraniteMoeHybridForCausalLM",
    "nemotron-h": "NemotronHForCausalLM",
    "qwen3-next": "Qwen3NextForCausalLM",
}
NOWHERE = [
    "rg_lru swiglu(4) attention swiglu(4)",
    "attention swiglu(4) attention swiglu(3)",
    "attention swiglu(4) attention(kv=1/2) swiglu(4)",
    "attention swiglu(4) attention(weights=@0) swiglu(4)",
    "attention-attention swiglu(4)",
    "attention swiglu(4) attention",
    "swiglu(4) attention",
    "attention(conv=3) swiglu(4)",
    "attention(rotary=1/2) swiglu(4)",
    "short_conv(3) swiglu(4)",
    "short_conv(3) swiglu(4) short_conv(4) swiglu(4) attention(qk_norm=yes) swiglu(4)",
    "short_conv(3) swiglu(4) attention swiglu(4)",
    "mamba2 mlp(4) attention(rope=no)",
    "gated_deltanet moe(2) attention(qk_norm=yes,rotary=1/4,gated=yes) moe(2)",
    "mamba2(expand=3/2) mamba2(expand=3/2)",
    "mamba2(expand=1) swiglu(4) attention(rope=no) swiglu(4)",
]


@pytest.mark.parametrize("published", PUBLISHED_CLASSES, ids=lambda each: each.name)
def test_a_layout_is_loaded_as_its_class(published: PublishedClass) -> None:
    layout = parse_layout(LAYOUTS[published.name])
    loaders = [runtime for runtime in LOADERS if published.loads_in([runtime])]
    assert loaded_as(layout, STACKED) == dict.fromkeys(loaders, published.name)


@pytest.mark.parametrize(("name", "expected"), REFERENCES.items())
def test_references_are_loaded_as_their_class(name: str, expected: str) -> None:
    layout = reference(name).layout(8)
    assert loaded_as(layout, STACKED)["transformers"] == expected
    assert loaded_as(layout, STACKED.model_copy(update={"blocks": 4 * len(layout)})) == loaded_as(
        layout, STACKED
    )


@pytest.mark.parametrize("text", NOWHERE)
def test_what_no_class_holds(text: str) -> None:
    layout = parse_layout(text)
    assert loaded_as(layout, STACKED) == {}
    rule = DeploysTo(("transformers",), STACKED)
    why = rule.broken_by(layout)
    assert why is not None and why.startswith("transformers: nearest is ")
    assert rule.wrong(layout)


def test_llama_cpp_needs_one_of_each_kind() -> None:
    layout = parse_layout("attention(qk_norm=yes,rope=yes) swiglu(4)")
    assert loaded_as(layout, STACKED)["llama.cpp"] == "Qwen3ForCausalLM"
    few = parse_layout("mamba2 attention(rope=no) mamba2")
    loaded = loaded_as(few, STACKED)
    assert "llama.cpp" not in loaded and loaded["vllm"] == "NemotronHForCausalLM"
    assert "mlp is missing" in str(DeploysTo(("llama.cpp",), STACKED).broken_by(few))


@pytest.mark.parametrize("expand", [1, 4])
def test_llama_cpp_needs_mamba2_of_twice_the_width(expand: int) -> None:
    layout = parse_layout(f"mamba2(expand={expand}) mamba2(expand={expand})")
    assert loaded_as(layout, STACKED) == dict.fromkeys(
        ("transformers", "vllm", "sglang"), "Mamba2ForCausalLM"
    )
    mamba2 = tuple(each for each in PUBLISHED_CLASSES if each.name == "Mamba2ForCausalLM")
    why = DeploysTo(("llama.cpp",), STACKED, mamba2).broken_by(layout)
    assert f"its heads are {expand * 1024} wide together; 2048 is needed" in str(why)


def test_layers_stay_whole_only_when_stacked() -> None:
    layout = parse_layout("attention swiglu(4) attention swiglu(4)")
    for repeat, loaded in (("stack", True), ("stretch", False)):
        target = Scale(width=1024, head_dim=64, blocks=8, repeat=repeat)  # type: ignore[arg-type]
        assert bool(loaded_as(layout, target)) == loaded
    nemotron = parse_layout("mamba2 mlp(4,relu2=yes) attention(rope=no) mamba2")
    assert loaded_as(nemotron, Scale(width=1024, head_dim=64, blocks=8))


@pytest.mark.parametrize("blocks", [8, 32])
@pytest.mark.parametrize("runtimes", [("transformers",), LOADERS], ids=["transformers", "all"])
@pytest.mark.parametrize("name", ["hybrid", "lfm2", "nemotron-h", "qwen3-next"])
def test_repair_makes_random_genomes_deployable(name: str, runtimes: tuple[Loader, ...], blocks: int) -> None:
    target = STACKED.model_copy(update={"blocks": blocks})
    space = deployable(preset(name).with_blocks(8), runtimes, target)
    rng = np.random.default_rng(0)
    layouts = {space.decode(random_genome(space, rng)) for _ in range(30)}
    assert len(layouts) > 10
    for layout in layouts:
        assert set(runtimes) <= set(loaded_as(layout, target))


def test_a_target_without_whole_sizes_is_refused_for_its_sizes() -> None:
    target = Scale(width=960, head_dim=64, context=4096)
    with pytest.raises(InvalidInput, match=r"space composer: attention\(.*kv=1/4.*\) at width 960"):
        deployable(preset("composer"), ("transformers",), target)


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"deploys_to = tpu; legal: transformers, vllm, sglang, llama\.cpp"
    ):
        DeploysTo(("tpu",), STACKED).check(8)  # type: ignore[arg-type]
