"""The shapes of published classes: what parts ask, and words for what does not fit."""

import pytest

from genomes import PUBLISHED_CLASSES, Architecture, Attention, Mamba2, PublishedClass, Share, SwiGLU
from genomes.class_shapes import Free, Part, block_facts
from genomes.operators import operator_class
from support.operator_cases import CASES, WIDTH

DERIVED = {"attention": {"rotary", "widths"}, "mamba2": {"widths"}}
"""Facts that are no fields."""

ATTENTION = Attention(heads=4, kv_heads=2, head_dim=8)
ROTATED = Part("attention", "attention", {"rotary": 1})


@pytest.mark.parametrize("published", PUBLISHED_CLASSES, ids=lambda each: each.name)
def test_parts_ask_for_facts_that_exist(published: PublishedClass) -> None:
    for part in published.shape.parts:
        fields = set(operator_class(part.op).model_fields) | DERIVED.get(part.op, set())
        assert set(part.wanted) <= fields
    assert set(published.shape.needs) <= {part.op for part in published.shape.parts}


@pytest.mark.parametrize("name", CASES)
def test_every_operator_has_facts(name: str) -> None:
    facts = block_facts(CASES[name], WIDTH)
    assert facts.op == CASES[name].name and facts.values["shares"] is False


def test_rotated_channels_are_a_share_of_the_head() -> None:
    whole = Attention(heads=4, kv_heads=2, head_dim=8, rotary_dim=8)
    assert ROTATED.matches(block_facts(whole, 32)) and ROTATED.matches(block_facts(ATTENTION, 32))
    half = Attention(heads=4, kv_heads=2, head_dim=8, rotary_dim=4)
    assert ROTATED.misfit(block_facts(half, 32)) == "rotary = 1/2; legal: 1"
    nowhere = Attention(heads=4, kv_heads=2, head_dim=8, rope_theta=None)
    assert ROTATED.misfit(block_facts(nowhere, 32)) == "rotary = 0; legal: 1"


def test_what_a_part_leaves_open_is_said() -> None:
    whole = Part("mamba2", "mamba2", {"widths": Free.WHOLE})
    assert whole.matches(block_facts(Mamba2(heads=8, head_dim=8, state_dim=4), 32))
    facts = block_facts(Mamba2(heads=6, head_dim=8, state_dim=4), 32)
    assert whole.misfit(facts) == "widths = 3/2; legal: any whole number"
    windowed = Part("attention", "attention", {"rotary": 1, "window": Free.NUMBER})
    assert windowed.misfit(block_facts(ATTENTION, 32)) == "window = null; legal: any number"


def test_a_block_that_shares_is_in_no_class() -> None:
    sharing = SwiGLU(hidden=64, shares=(Share(what="weights", donor=0),))
    assert Part("swiglu", "swiglu", {}).misfit(block_facts(sharing, 32)) == "it shares with another block"


def test_blocks_of_an_operator_have_one_size() -> None:
    (llama,) = (each for each in PUBLISHED_CLASSES if each.name == "LlamaForCausalLM")
    narrow, wide = SwiGLU(hidden=64), SwiGLU(hidden=96)
    blocks = (ATTENTION, wide, ATTENTION, narrow, ATTENTION, wide)
    stack = Architecture(width=32, vocab_size=8, blocks=blocks).blocks
    misfits = llama.shape.misfits([block_facts(block, 32) for block in stack])
    assert misfits == {3: "hidden = 64; legal: 96, as in the others"}
