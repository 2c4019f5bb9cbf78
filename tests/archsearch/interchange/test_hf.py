"""Published classes: our equations give their logits, and the table between the weights runs both ways."""

import json
from typing import Any

import numpy as np
import pytest

from archsearch.interchange.hf import MODEL_CLASSES, model_class
from genomes import (
    PUBLISHED_CLASSES,
    Architecture,
    Attention,
    InvalidInput,
    Mamba2,
    Share,
    SwiGLU,
    accounting,
    model,
)
from genomes.class_shapes import block_facts
from support import GOLDEN, parity
from support.parity import TOLERANCE, Published, difference, load, logits_at_once, logits_in_pieces

PARITY = GOLDEN / "parity"


def golden(name: str) -> Published:
    """What `golden/parity/make.py` kept of a model."""
    config = json.loads((PARITY / f"{name}.config.json").read_text(encoding="utf-8"))
    with np.load(PARITY / f"{name}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    tokens, logits = arrays.pop("tokens"), arrays.pop("logits")
    return Published(config, {key: a.astype(np.float32) for key, a in arrays.items()}, tokens, logits)


LFM2 = golden("Lfm2ForCausalLM")


# Logits


def test_every_class_has_a_golden_model_and_a_live_one() -> None:
    assert set(MODEL_CLASSES) == set(parity.DRAWS) == {path.stem for path in PARITY.glob("*.npz")}


def test_the_table_says_which_classes_are_written() -> None:
    written = {each.name for each in PUBLISHED_CLASSES if each.written_for("transformers")}
    assert set(MODEL_CLASSES) == written


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_a_published_model_has_the_shape_that_the_table_says(name: str) -> None:
    _, architecture, _ = load(golden(name))
    (published,) = (each for each in PUBLISHED_CLASSES if each.name == name)
    facts = [block_facts(block, architecture.width) for block in architecture.blocks]
    misfits = published.shape_in(["transformers"]).misfits(facts)
    # What transformers alone can hold: llama.cpp wants experts in every layer, and ignores windows of Qwen3.
    alone = {
        "Qwen3NextForCausalLM": lambda block: block.name == "swiglu",
        "Qwen3ForCausalLM": lambda block: block.name == "attention" and block.window is not None,
    }.get(name, lambda _: False)
    assert set(misfits) == {i for i, block in enumerate(architecture.blocks) if alone(block)}


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_logits_are_those_of_the_published_class(name: str) -> None:
    published = golden(name)
    _, architecture, params = load(published)
    found = logits_at_once(architecture, params, published.tokens)
    assert np.abs(found - published.logits).max() < TOLERANCE
    found = logits_in_pieces(architecture, params, published.tokens, prompt=13)
    assert np.abs(found - published.logits).max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", parity.SEEDS)
@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_logits_are_those_that_transformers_computes_now(name: str, seed: int) -> None:
    published = parity.make(name, parity.draw(name, seed), seed, tokens=max(parity.LENGTHS))
    assert difference(published, decode=False) < TOLERANCE
    assert difference(published, decode=True) < TOLERANCE


# Weights


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_the_table_runs_both_ways(name: str) -> None:
    published = golden(name)
    found, architecture, params = load(published)
    written = found.write_weights(architecture, params)
    assert sorted(written) == sorted(published.tensors)
    for key, tensor in written.items():
        assert tensor.dtype == np.float32 and tensor.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(tensor, published.tensors[key], strict=True, err_msg=key)


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_the_table_holds_every_parameter_once(name: str) -> None:
    found, architecture, _ = load(golden(name))
    table = found.table(architecture)
    paths = [path for entry in table for path in entry.paths]
    assert len(paths) == len(set(paths))
    names = [name for entry in table for name in entry.names]
    assert len(names) == len(set(names))
    size = sum(int(np.prod(shape)) for entry in table for shape in entry.shapes)
    assert size == accounting.parameters(architecture)


def test_a_tied_matrix_may_be_there_twice() -> None:
    published = golden("RecurrentGemmaForCausalLM")
    found, architecture, params = load(published)
    twice = published.tensors | {"lm_head.weight": published.tensors["model.embed_tokens.weight"]}
    read = found.read_weights(architecture, twice)
    np.testing.assert_array_equal(read["embedding"], params["embedding"])
    assert "head" not in read


def test_zero_centred_norms_round_as_the_published_sum_does() -> None:
    published = golden("Qwen3_5ForCausalLM")
    found, architecture, _ = load(published)
    name = "model.norm.weight"
    tiny = np.full_like(published.tensors[name], 1e-9)
    params = found.read_weights(architecture, published.tensors | {name: tiny})
    np.testing.assert_array_equal(params["final_norm"], np.float32(1) + tiny)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.embed_tokens.weight": None}, "tensor model.embed_tokens.weight is missing"),
        ({"model.layers.0.extra": np.zeros(3)}, "tensor model.layers.0.extra has no counterpart"),
        ({"model.layers.9.ffn_norm.weight": np.zeros(3)}, "layers.9.ffn_norm.weight has no counterpart"),
        ({"model.layers.1.conv.conv.weight": np.zeros((16, 3))}, r"shape \[16, 3\]; expected \[16, 1, 3\]"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Any], message: str) -> None:
    found, architecture, _ = load(LFM2)
    tensors = {key: value for key, value in (LFM2.tensors | change).items() if value is not None}
    with pytest.raises(InvalidInput, match=message):
        found.read_weights(architecture, tensors)


def test_parameters_that_do_not_fit_are_named() -> None:
    found, architecture, params = load(LFM2)
    with pytest.raises(InvalidInput, match="parameter final_norm is missing"):
        found.write_weights(architecture, {key: params[key] for key in params if key != "final_norm"})
    with pytest.raises(InvalidInput, match=r"parameter norm_0 has shape \[3\]; expected \[16\]"):
        found.write_weights(architecture, params | {"norm_0": np.zeros(3)})


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([Attention(heads=2, kv_heads=1, head_dim=8)], "1 blocks; layers of LlamaForCausalLM have 2"),
        (
            [Mamba2(heads=2, head_dim=8, state_dim=4), SwiGLU(hidden=8)],
            r"blocks\[0\] \(mamba2\): LlamaForCausalLM has attention here",
        ),
        (
            [Attention(heads=2, kv_heads=1, head_dim=8, qk_norm=True), SwiGLU(hidden=8)],
            r"blocks\[0\] \(attention\): LlamaForCausalLM has k, out, q, v here; differs in k_norm, q_norm",
        ),
        (
            [
                *[Attention(heads=2, kv_heads=1, head_dim=8), SwiGLU(hidden=8)],
                Attention(heads=2, kv_heads=1, head_dim=8, shares=(Share(what="cache", donor=0),)),
                SwiGLU(hidden=8),
            ],
            r"blocks\[2\] \(attention\): LlamaForCausalLM shares nothing",
        ),
    ],
)
def test_blocks_that_a_class_has_no_place_for_are_named(blocks: list[Any], message: str) -> None:
    architecture = Architecture(width=16, vocab_size=32, blocks=tuple(blocks))
    with pytest.raises(InvalidInput, match=message):
        model_class("LlamaForCausalLM").table(architecture)


# Configurations


def test_a_published_configuration_is_the_architecture_that_ships() -> None:
    config = {
        "architectures": ["Lfm2ForCausalLM"],
        "hidden_size": 1024,
        "block_ff_dim": 6656,
        "full_attn_idxs": [2, 5, 8, 10, 12, 14],
        "norm_eps": 1e-5,
        "num_attention_heads": 16,
        "num_hidden_layers": 16,
        "num_key_value_heads": 8,
        "rope_theta": 1000000.0,
        "vocab_size": 65536,
    }
    found = model_class("Lfm2ForCausalLM").architecture(config)
    assert found.fingerprint == model("lfm2-350m").fingerprint


def test_an_older_nemotron_names_its_layers_by_letters() -> None:
    published = golden("NemotronHForCausalLM")
    letters = {"linear_attention": "M", "full_attention": "*", "mlp": "-"}
    config = dict(published.config)
    config["hybrid_override_pattern"] = "".join(letters[word] for word in config.pop("layers_block_type"))
    assert model_class("NemotronHForCausalLM").architecture(config) == load(published)[1]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("LlamaForCausalLM", {"hidden_size": None}, "hidden_size = None; expected a whole number"),
        ("LlamaForCausalLM", {"attention_bias": True}, "attention_bias = True has no counterpart"),
        ("LlamaForCausalLM", {"rope_parameters": {"rope_type": "llama3"}}, "rope_type = 'llama3' has no"),
        ("LlamaForCausalLM", {"rms_norm_eps": 0}, "rms_norm_eps = 0; expected a number above 0"),
        ("Lfm2ForCausalLM", {"layer_types": ["conv", "moe"]}, r"layer_types\[1\] = 'moe' has no counterpart"),
        ("Mamba2ForCausalLM", {"time_step_limit": [0.1, 1]}, r"time_step_limit = \[0.1, 1\] has no"),
        ("GraniteMoeHybridForCausalLM", {"num_local_experts": 8}, "num_local_experts = 8 has no counterpart"),
        ("Qwen3NextForCausalLM", {"norm_topk_prob": 1}, "norm_topk_prob = 1; expected true or false"),
    ],
)
def test_configurations_without_a_counterpart_are_named(
    name: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=f"config: {message}"):
        model_class(name).architecture(golden(name).config | change)


@pytest.mark.parametrize("name", ["BambaForCausalLM", None])
def test_an_unknown_class_is_told_the_known(name: Any) -> None:
    with pytest.raises(InvalidInput, match="is not known; known: LlamaForCausalLM, Qwen3ForCausalLM"):
        model_class(name)


def test_a_class_of_the_table_that_is_not_written_is_named_as_such() -> None:
    with pytest.raises(InvalidInput, match="archsearch does not read or write GraniteSWAForCausalLM yet"):
        model_class("GraniteSWAForCausalLM")
