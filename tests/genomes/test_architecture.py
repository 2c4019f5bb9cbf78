"""Architecture files: what is written is read back, fingerprints identify, refusals explain."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from genomes import (
    Architecture,
    Attention,
    InvalidInput,
    Skip,
    accounting,
    load_architecture,
    model,
    model_names,
    operator_table,
    read_architecture,
)
from support import GOLDEN
from support.architecture_cases import HUGE, golden, refused
from support.genome_strategies import architectures
from support.operator_cases import CASES, WIDTH

GOLDEN_FINGERPRINTS = {
    "architecture-v1": "35e8ab3eb4d6fc32",
    "architecture-v1-families": "e2d94cbe6668073d",
    "architecture-v1-stored": "93e372ca13dd409f",
}
"""Every format ever written stays readable, and stays the same architecture."""

DOCUMENTED_DEFAULTS: dict[str, dict[str, Any]] = {
    "attention": {
        "qk_norm": False,
        "rope_theta": 10000.0,
        "window": None,
        "rotary_dim": None,
        "gated": False,
    },
    "short_conv": {"kernel": 3},
    "rg_lru": {"kernel": 4, "bias": False},
    "gated_linear_attention": {"gate_rank": 16},
    "mamba2": {"groups": 1, "kernel": 4},
}
TOP_DEFAULTS = {
    "name": "",
    "tied_embeddings": True,
    "norm_eps": 1e-05,
    "embedding_scale": 1.0,
    "residual_scale": 1.0,
    "logit_scale": 1.0,
    "logit_softcap": None,
    "weights": None,
    "cache": None,
}
FIELDS = sorted(
    {(s.name, field) for s in CASES.values() for field in type(s).model_fields if s.kind != "skip"}
)


def others(value: Any) -> list[Any]:
    """Values near another, of which one should be legal in its place."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, 2 * value, value // 2, value - 1, 4 * value, None]
        case float():
            return [2 * value, value / 2, None]
        case None:
            return [1, 2, 4, 3, 12, 1.5, 0.5]
        case str():
            return ["gelu", "relu2"]
        case []:
            return [[{"what": "weights", "with": 0}]]
        case dict():  # one of the mixers of a difference
            return [dict(CASES["short_conv-7"].to_dict())]
        case _:
            raise AssertionError(value)


def short(block: dict[str, Any]) -> dict[str, Any]:
    """A block's object with every field left out that has a default and is at it."""
    defaults = {name: field.default for name, field in operator_table()[block["op"]].model_fields.items()}
    kept = {k: short(v) if isinstance(v, dict) else v for k, v in block.items()}
    return {k: v for k, v in kept.items() if k not in defaults or defaults[k] != v}


def without_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """The same file with every field left out that may be."""
    kept = {k: v for k, v in data.items() if k not in TOP_DEFAULTS or v != TOP_DEFAULTS[k]}
    kept["blocks"] = []
    for block in data["blocks"]:
        shortened = short(block)
        if block["op"] == "attention":
            if block["kv_heads"] == block["heads"]:
                del shortened["kv_heads"]
            if block["head_dim"] * block["heads"] == data["width"]:
                del shortened["head_dim"]
        kept["blocks"].append(shortened)
    return kept


# What is written


def test_defaults_are_those_documented() -> None:
    for name, defaults in DOCUMENTED_DEFAULTS.items():
        fields = operator_table()[name].model_fields
        assert {field: fields[field].default for field in defaults} == defaults
    fields = Architecture.model_fields
    assert {name: f.default for name, f in fields.items() if not f.is_required()} == TOP_DEFAULTS


@settings(deadline=None)
@given(architectures)
def test_written_and_read_back(architecture: Architecture) -> None:
    text = architecture.to_json()
    again = read_architecture(json.loads(text))
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert again.to_json() == text
    assert json.loads(text) == architecture.to_dict()


@settings(deadline=None)
@given(architectures)
def test_the_writer_writes_every_field_one_block_a_line(architecture: Architecture) -> None:
    data = json.loads(architecture.to_json())
    assert set(data) == {"format", "version"} | set(Architecture.model_fields)
    for block, written in zip(architecture.blocks, data["blocks"], strict=True):
        assert set(written) == {"op"} | set(type(block).model_fields) - {"shares"}
    assert sum('{"op"' in line for line in architecture.to_json().splitlines()) == len(architecture.blocks)


@pytest.mark.parametrize("name", model_names())
def test_published_models_are_written_as_they_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.arch.json"
    path.write_text(model(name).to_json(), encoding="utf-8")
    assert load_architecture(path) == load_architecture(str(path)) == model(name)


# Defaults


@settings(deadline=None)
@given(architectures)
def test_defaults_may_be_left_out(architecture: Architecture) -> None:
    assert read_architecture(without_defaults(architecture.to_dict())) == architecture


def test_attention_alone_is_multi_head_over_the_width() -> None:
    data = golden() | {"blocks": [{"op": "attention", "heads": 4}]}
    assert read_architecture(data).blocks == (
        Attention(heads=4, kv_heads=4, head_dim=16, qk_norm=False, rope_theta=10000.0, window=None),
    )


def test_attention_with_a_head_size_need_not_fill_the_width() -> None:
    data = golden() | {"blocks": [{"op": "attention", "heads": 3, "head_dim": 10}]}
    assert read_architecture(data).blocks == (Attention(heads=3, kv_heads=3, head_dim=10),)


def test_whole_numbers_are_legal_where_fractions_are() -> None:
    data = golden() | {"blocks": [{"op": "attention", "heads": 4, "rope_theta": 500000}]}
    written = read_architecture(data).to_json()
    assert '"rope_theta": 500000.0' in written


# Golden files


def test_every_golden_file_has_its_fingerprint() -> None:
    files = {path.name.removesuffix(".arch.json") for path in GOLDEN.glob("*.arch.json")}
    assert files == set(GOLDEN_FINGERPRINTS)


@pytest.mark.parametrize(("name", "fingerprint"), GOLDEN_FINGERPRINTS.items())
def test_golden_files_stay_readable_and_the_same(name: str, fingerprint: str) -> None:
    assert load_architecture(GOLDEN / f"{name}.arch.json").fingerprint == fingerprint


def test_what_it_is_stored_in_is_a_part_of_the_fingerprint_where_given() -> None:
    architecture = load_architecture(GOLDEN / "architecture-v1-stored.arch.json")
    assert architecture.stored == {"weights": "int4", "cache": "int8"}
    assert architecture.bare.stored == {}
    assert architecture.bare.fingerprint == "64f7546dcdb44af1"  # as before there were such fields
    bare = architecture.bare
    assert bare.bare is bare
    assert architecture.with_vocabulary(99).stored == architecture.stored


def test_golden_file_means_what_it_says() -> None:
    data, architecture = golden(), load_architecture(GOLDEN / "architecture-v1.arch.json")
    names = "attention short_conv rg_lru gated_linear_attention mamba2 swiglu skip"
    assert [block.name for block in architecture.blocks] == names.split()
    written = architecture.to_dict()
    assert {key: written[key] for key in data if key != "blocks"} == {
        key: value for key, value in data.items() if key != "blocks"
    }
    for block, kept in zip(data["blocks"], written["blocks"], strict=True):
        assert block.items() <= kept.items()
    # By hand: 12320 + 16576 + 24064 + 17968 + 34712 + 33792 of operators, seven norms, two tables.
    assert accounting.parameters(architecture) == 139432 + 7 * 64 + 2 * 256 * 64


# Fingerprints


@settings(deadline=None)
@given(architectures, st.text(max_size=5), st.integers(2, 1000), st.randoms(use_true_random=False))
def test_fingerprint_leaves_out_what_is_not_computed(architecture, name, vocab_size, random) -> None:
    data = architecture.to_dict()
    other = without_defaults(data) | {"name": name, "vocab_size": vocab_size}
    for _ in range(3):
        other["blocks"].insert(random.randrange(len(other["blocks"]) + 1), {"op": "skip"})
    other["blocks"] = [dict(random.sample(list(b.items()), len(b))) for b in other["blocks"]]
    other = dict(random.sample(list(other.items()), len(other)))
    assert read_architecture(other).fingerprint == architecture.fingerprint
    assert architecture.with_vocabulary(vocab_size).fingerprint == architecture.fingerprint


@pytest.mark.parametrize(("op", "field"), FIELDS, ids=[f"{op}.{field}" for op, field in FIELDS])
def test_fingerprint_knows_every_field_of_an_operator(op: str, field: str) -> None:
    found = 0
    for block in (spec.to_dict() | {"shares": []} for spec in CASES.values() if spec.name == op):
        original = read_architecture(golden() | {"width": WIDTH, "blocks": [block, block]})
        for value in others(block[field]):
            blocks = [block, block | {field: value}]
            with contextlib.suppress(InvalidInput):
                changed = read_architecture(golden() | {"width": WIDTH, "blocks": blocks})
                if changed.blocks != original.blocks:
                    found += 1
                    assert changed.fingerprint != original.fingerprint
    assert found, "no other value was legal"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 128),
        ("tied_embeddings", True),
        ("norm_eps", 1e-05),
        ("embedding_scale", 8.0),
        ("residual_scale", 0.5),
        ("logit_scale", 0.5),
        ("logit_softcap", 30.0),
        ("weights", "float32"),
        ("cache", "int8"),
    ],
)
def test_fingerprint_knows_the_fields_of_the_stack(field: str, value: object) -> None:
    assert read_architecture(golden() | {field: value}).fingerprint != read_architecture(golden()).fingerprint


@settings(deadline=None)
@given(architectures, architectures)
def test_fingerprints_differ_where_the_stack_does(one: Architecture, two: Architecture) -> None:
    def computed(a: Architecture) -> tuple[object, ...]:
        head = a.model_dump(exclude={"name", "vocab_size", "blocks"})
        return *head.values(), tuple(b for b in a.blocks if b.kind != "skip")

    assert (one.fingerprint == two.fingerprint) == (computed(one) == computed(two))


def test_fingerprint_knows_order_and_number() -> None:
    blocks = golden()["blocks"]
    variants = [blocks, blocks[::-1], blocks[1:], [*blocks, blocks[0]]]
    prints = {read_architecture(golden() | {"blocks": some}).fingerprint for some in variants}
    assert len(prints) == len(variants)
    assert all(len(p) == 16 and set(p) <= set("0123456789abcdef") for p in prints)


# Values


def test_with_vocabulary_changes_the_vocabulary_alone() -> None:
    architecture = read_architecture(golden())
    assert architecture.fingerprint  # computed before the copy, so that a stale one would show
    other = architecture.with_vocabulary(100)
    assert other.to_dict() == architecture.to_dict() | {"vocab_size": 100}
    assert architecture.vocab_size == 256
    for size in (1, 0, -5, True, 10**9):
        with pytest.raises(InvalidInput, match=f"vocab_size = {size}"):
            architecture.with_vocabulary(size)


def test_values_are_frozen() -> None:
    architecture = read_architecture(golden())
    with pytest.raises(ValidationError, match="frozen"):
        architecture.width = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        architecture.blocks[0].heads = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("blocks", [(), (Skip(),), (Attention(heads=4, kv_heads=3, head_dim=8),)], ids=str)
def test_illegal_architectures_cannot_be_made_in_python_either(blocks: tuple) -> None:
    with pytest.raises(ValueError, match="blocks"):
        Architecture(width=64, vocab_size=256, blocks=blocks)


# Refusals

MISSING = "(missing)"
STACK: list[tuple[dict[str, Any], list[str]]] = [
    ({"format": MISSING}, ["format = None", "'archsearch/architecture'"]),
    ({"format": "archsearch/device"}, ["format = 'archsearch/device'", "'archsearch/architecture'"]),
    ({"version": 2}, ["version = 2", "reads version 1"]),
    ({"version": MISSING}, ["version = None", "reads version 1"]),
    ({"version": True}, ["version = True", "reads version 1"]),
    ({"version": 1.0}, ["version = 1.0", "reads version 1"]),
    ({"version": "1"}, ["version = '1'", "reads version 1"]),
    ({"width": MISSING}, ["width = None", "whole number of at least 1"]),
    ({"width": True}, ["width = True", "whole number of at least 1"]),
    ({"width": 64.0}, ["width = 64.0", "whole number of at least 1"]),
    ({"width": "64"}, ["width = '64'", "whole number of at least 1"]),
    ({"width": 0}, ["width = 0", "at least 1"]),
    ({"width": -64}, ["width = -64", "at least 1"]),
    ({"width": HUGE * 64}, [f"width = {HUGE * 64}", "1048576"]),
    ({"vocab_size": MISSING}, ["vocab_size is missing", "(fields: name, width, vocab_size,"]),
    ({"vocab_size": 1}, ["vocab_size = 1", "greater than or equal to 2"]),
    ({"vocab_size": HUGE}, [f"vocab_size = {HUGE}", "4194304"]),
    ({"vocab_size": True}, ["vocab_size = True", "integer"]),
    ({"name": 3}, ["name = 3", "string"]),
    ({"tied_embeddings": 1}, ["tied_embeddings = 1", "boolean"]),
    ({"tied_embeddings": None}, ["tied_embeddings = None", "boolean"]),
    ({"norm_eps": 0}, ["norm_eps = 0", "greater than 0"]),
    ({"norm_eps": -1e-5}, ["norm_eps = -1e-05", "greater than 0"]),
    ({"norm_eps": 1}, ["norm_eps = 1", "less than 1"]),
    ({"norm_eps": float("nan")}, ["norm_eps = nan", "finite"]),
    ({"norm_eps": float("inf")}, ["norm_eps = inf", "finite"]),
    ({"norm_eps": True}, ["norm_eps = True", "number"]),
    ({"shares": []}, ["unknown field 'shares' = []", "(fields: name, width, vocab_size,"]),
    ({"blocks": MISSING}, ["blocks = None", "a list"]),
    ({"blocks": {"op": "skip"}}, ["blocks = {'op': 'skip'}", "a list"]),
    ({"blocks": "attention"}, ["blocks = 'attention'", "a list"]),
    ({"blocks": []}, ["blocks", "at least one block"]),
    ({"blocks": [{"op": "skip"}, {"op": "skip"}]}, ["blocks", "at least one block", "no skip"]),
]


@pytest.mark.parametrize(("changes", "fragments"), STACK, ids=[str(c)[:40] for c, _ in STACK])
def test_refusals_of_the_stack(changes: dict[str, Any], fragments: list[str]) -> None:
    data = {key: value for key, value in (golden() | changes).items() if value is not MISSING}
    message = refused(data)
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("data", [None, 3, "text", [golden()], True], ids=str)
def test_what_is_no_object_is_refused(data: object) -> None:
    assert f"expected a JSON object, found {type(data).__name__}" in refused(data)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=4), some, max_size=3),
    ),
    st.sampled_from(["width", "vocab_size", "norm_eps", "blocks", "name", "version", "extra"]),
    st.booleans(),
)
def test_any_json_value_is_read_or_refused(value: object, field: str, in_block: bool) -> None:
    """Nothing but `InvalidInput` comes out, and what is read is written back."""
    data = golden() | {field: value}
    if in_block:
        data = golden() | {"blocks": [{"op": "attention", "heads": 4} | {field: value}, value]}
    try:
        architecture = read_architecture(data)
    except InvalidInput:
        return
    assert read_architecture(json.loads(architecture.to_json())) == architecture


# Files


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "not a JSON file"),
        (b"{", "not a JSON file"),
        (b"\xff\xfe{}", "not a file of UTF-8 text"),
        (b"width: 64", "not a JSON file"),
        (b"[" * 100_000, "not a JSON file"),
        (b'{"width": ' + b"9" * 5000 + b"}", "not a JSON file"),
        (b'{"width": 64, "width": 32}', "'width' is given twice"),
        (b'{"blocks": [{"op": "skip", "op": "swiglu"}]}', "'op' is given twice"),
        (b"[]", "expected a JSON object, found list"),
        (b"{}", "format = None"),
    ],
    ids=["empty", "cut", "not-utf8", "yaml", "deep", "digits", "twice", "twice-in-block", "list", "object"],
)
def test_files_that_are_no_architecture_are_refused(content: bytes, fragment: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.arch.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        load_architecture(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert fragment in str(caught.value)


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.arch.json", "No such file"), (tmp_path, "is a directory")):
        with pytest.raises(InvalidInput) as caught:
            load_architecture(path)
        assert str(caught.value).startswith(f"{path}: {reason}")


def test_errors_inside_a_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "five.arch.json"
    path.write_text(json.dumps(golden() | {"blocks": [{"op": "attention", "heads": 5}]}), encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        load_architecture(path)
    assert str(caught.value).startswith(f"{path}: blocks[0] (attention): heads = 5")
