"""Operators from their JSON objects: what is refused names block, field, value and what is legal."""

import pytest

from genomes import (
    operator_table,
    read_architecture,
)
from support.architecture_cases import HUGE, golden, refused

KNOWN = ", ".join(sorted(operator_table()))
BLOCK: list[tuple[object, list[str]]] = [
    (3, [" = 3", '"op"']),
    (None, [" = None", '"op"']),
    ([], [" = []", '"op"']),
    ({}, [" = {}", '"op"']),
    ({"op": 3}, [" = {'op': 3}", '"op"']),
    ({"op": "mamba3"}, ["unknown operator 'mamba3'", KNOWN]),
    ({"op": "skip", "x": 1}, ["(skip)", "unknown field 'x' = 1", "(fields: none)"]),
    ({"op": "swiglu"}, ["(swiglu)", "hidden is missing", "(fields: hidden, shares)"]),
    (
        {"op": "swiglu", "hidden": 8, "bias": True},
        ["unknown field 'bias' = True", "(fields: hidden, shares)"],
    ),
    ({"op": "swiglu", "hidden": 8.0}, ["hidden = 8.0", "integer"]),
    ({"op": "swiglu", "hidden": "8"}, ["hidden = '8'", "integer"]),
    ({"op": "swiglu", "hidden": True}, ["hidden = True", "integer"]),
    ({"op": "swiglu", "hidden": None}, ["hidden = None", "integer"]),
    ({"op": "swiglu", "hidden": 0}, ["hidden = 0", "greater than or equal to 1"]),
    ({"op": "swiglu", "hidden": HUGE}, [f"hidden = {HUGE}", "less than or equal to 16777216"]),
    ({"op": "short_conv", "kernel": 1}, ["(short_conv)", "kernel = 1", "greater than or equal to 2"]),
    ({"op": "short_conv", "kernel": HUGE}, [f"kernel = {HUGE}", "less than or equal to 16777216"]),
    ({"op": "rg_lru", "lru_width": 64, "heads": 5}, ["(rg_lru)", "heads = 5", "divide", "lru_width = 64"]),
    ({"op": "rg_lru", "lru_width": 64, "heads": 4, "bias": 1}, ["bias = 1", "boolean"]),
    ({"op": "mamba2", "heads": 4, "head_dim": 8, "state_dim": 8, "groups": 3}, ["groups = 3", "heads = 4"]),
    ({"op": "gated_linear_attention", "heads": 4, "key_dim": 8}, ["value_dim is missing", "value_dim, gate"]),
    ({"op": "attention"}, ["(attention)", "heads is missing", "(fields: heads, kv_heads, head_dim,"]),
    ({"op": "attention", "n_heads": 4}, ["heads is missing", "unknown field 'n_heads' = 4"]),
    ({"op": "attention", "heads": 0}, ["heads = 0", "greater than or equal to 1"]),
    ({"op": "attention", "heads": -4}, ["heads = -4", "greater than or equal to 1"]),
    ({"op": "attention", "heads": True}, ["heads = True", "integer"]),
    ({"op": "attention", "heads": 4.0}, ["heads = 4.0", "integer"]),
    ({"op": "attention", "heads": 5}, ["(attention)", "heads = 5", "divide", "width 64", "head_dim"]),
    ({"op": "attention", "heads": 128}, ["heads = 128", "divide", "width 64"]),
    ({"op": "attention", "heads": HUGE, "head_dim": 2}, [f"heads = {HUGE}", "16777216"]),
    ({"op": "attention", "heads": 4, "kv_heads": 3}, ["kv_heads = 3", "divide", "heads = 4"]),
    ({"op": "attention", "heads": 4, "kv_heads": 8}, ["kv_heads = 8", "divide", "heads = 4"]),
    ({"op": "attention", "heads": 4, "kv_heads": 0}, ["kv_heads = 0", "greater than or equal to 1"]),
    ({"op": "attention", "heads": 4, "head_dim": 7}, ["head_dim = 7", "odd", "even", "rope_theta null"]),
    ({"op": "attention", "heads": 64}, ["head_dim = 1", "odd", "even", "rope_theta null"]),
    ({"op": "attention", "heads": 4, "head_dim": None}, ["head_dim = None", "integer"]),
    ({"op": "attention", "heads": 4, "rope_theta": 0}, ["rope_theta = 0", "greater than 0"]),
    ({"op": "attention", "heads": 4, "rope_theta": float("inf")}, ["rope_theta = inf", "finite"]),
    ({"op": "attention", "heads": 4, "rope_theta": float("nan")}, ["rope_theta = nan", "finite"]),
    ({"op": "attention", "heads": 4, "rope_theta": True}, ["rope_theta = True", "number"]),
    ({"op": "attention", "heads": 4, "rope_theta": "1e4"}, ["rope_theta = '1e4'", "number"]),
    ({"op": "attention", "heads": 4, "window": 0}, ["window = 0", "greater than or equal to 1"]),
    ({"op": "attention", "heads": 4, "window": 1.5}, ["window = 1.5", "integer"]),
    ({"op": "attention", "heads": 4, "qk_norm": "yes"}, ["qk_norm = 'yes'", "boolean"]),
]


@pytest.mark.parametrize(("block", "fragments"), BLOCK, ids=[str(b)[:60] for b, _ in BLOCK])
def test_refusals_of_a_block(block: object, fragments: list[str]) -> None:
    message = refused(golden() | {"blocks": [{"op": "skip"}, {"op": "swiglu", "hidden": 8}, block]})
    for fragment in ["blocks[2]", *fragments]:
        assert fragment in message


@pytest.mark.parametrize("heads", ["4", True, 4.0, 0, None, [4]], ids=str)
def test_one_bad_field_of_attention_is_one_complaint(heads: object) -> None:
    message = refused(golden() | {"blocks": [{"op": "attention", "heads": heads}]})
    assert f"heads = {heads!r}" in message
    assert "kv_heads" not in message and "head_dim" not in message


def test_odd_heads_are_legal_without_positions() -> None:
    data = golden() | {"blocks": [{"op": "attention", "heads": 4, "head_dim": 7, "rope_theta": None}]}
    assert read_architecture(data).blocks[0].head_dim == 7  # type: ignore[attr-defined]
