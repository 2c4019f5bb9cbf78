"""Rules: what they ask, what they say is wrong, and that mending what they call wrong ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomes import Alternate, Count, InvalidInput, Layout, Positions, Rule, Uniform, parse_layout

BLOCKS = parse_layout(
    "attention attention(kv=1/2) attention(kv=1/2)-attention(kv=1/4) rg_lru short_conv(3) swiglu(2) "
    "swiglu(4) mlp(2) skip"
).blocks

RULES: list[Rule] = [
    Count(("attention",), at_least=2),
    Count(("attention", "recurrence"), at_most=1),
    Count(ops=("swiglu", "skip"), at_least=1, at_most=2),
    Count(("memoryless",), at_least=2, at_most=2),
    Positions((0, -1), ("attention", "recurrence")),
    Positions((1,), ops=("swiglu",)),
    Alternate(),
    Uniform("kv", ("attention",)),
    Uniform("ratio", ("swiglu", "mlp")),
]

layouts = st.lists(st.sampled_from(BLOCKS), min_size=2, max_size=8).map(lambda some: Layout(tuple(some)))


@given(st.sampled_from(RULES), layouts, st.randoms(use_true_random=False))
def test_blocks_that_fit_in_the_place_of_wrong_ones_mend(rule: Rule, layout: Layout, random) -> None:
    for _ in range(len(layout) + 1):
        wrong = rule.wrong(layout)
        assert (rule.broken_by(layout) is None) == (not wrong)
        if not wrong:
            return
        assert set(wrong) <= set(range(len(layout)))
        index = random.choice(wrong)
        assert not rule.fits(layout, index, layout.blocks[index])
        block = random.choice([block for block in BLOCKS if rule.fits(layout, index, block)])
        layout = Layout((*layout.blocks[:index], block, *layout.blocks[index + 1 :]))
    raise AssertionError(f"{rule.text}: {layout} is still wrong: {rule.broken_by(layout)}")


def test_counting_kinds_and_operators() -> None:
    layout = parse_layout("attention attention(kv=1/2) rg_lru swiglu(4) skip")
    assert Count(("attention",), at_least=2, at_most=2).broken_by(layout) is None
    assert Count(("attention", "recurrence"), at_least=3, at_most=3).broken_by(layout) is None
    assert Count(("convolution",), at_most=0).broken_by(layout) is None
    assert Count(("attention",), at_least=3).broken_by(layout) == "2 attention blocks; at least 3 are needed"
    assert Count(("attention", "recurrence"), at_most=2).broken_by(layout) == (
        "3 attention or recurrence blocks; at most 2 are allowed"
    )
    assert Count(("recurrence",), ops=("swiglu",), at_least=2).broken_by(layout) is None
    assert Count(ops=("rg_lru", "skip"), at_most=1).broken_by(layout) == (
        "2 rg_lru or skip blocks; at most 1 are allowed"
    )


@pytest.mark.parametrize(
    ("rule", "layout", "problem"),
    [
        (Positions((0, -1), ("attention",)), "attention skip attention", None),
        (
            Positions((0,), ops=("attention",)),
            "swiglu attention",
            "is swiglu(4); attention is needed",
        ),
        (Positions((-2,), ("memoryless",)), "skip rg_lru skip", "block 1 is rg_lru; memoryless is needed"),
        (Alternate(), "attention swiglu rg_lru mlp short_conv", None),
        (Alternate(), "skip attention skip skip swiglu", None),
        (Alternate(), "swiglu attention", "block 0 is swiglu(4); a mixer is due"),
        (Alternate(), "attention skip rg_lru", "block 2 is rg_lru; a memoryless block is due"),
        (Uniform("kv", ("attention",)), "attention swiglu(2) attention swiglu(4)", None),
        (Uniform("ratio", ("swiglu",)), "swiglu(2) mlp(4) swiglu(2)", None),
        (Uniform("kv", ("attention",)), "skip skip", None),
        (
            Uniform("kv", ("attention",)),
            "attention attention(kv=1/2) attention(kv=1/2)",
            "block 0 is attention; others have kv = 1/2",
        ),
        (
            Uniform("kv", ("attention",)),
            "attention attention-attention(kv=1/2)",
            "block 1 is attention-attention(kv=1/2); others have kv = 1",
        ),
        (Uniform("window", ("attention",)), "attention attention(window=8) attention", "others have window"),
    ],
)
def test_rules_by_hand(rule: Rule, layout: str, problem: str | None) -> None:
    found = rule.broken_by(parse_layout(layout))
    assert (found is None) == (problem is None)
    assert problem is None or problem in str(found)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Count(("attention", "recurrence"), at_least=2), "at least 2 attention or recurrence blocks"),
        (Count(ops=("mla",), at_most=1), "at most 1 mla blocks"),
        (Count(("memoryless",), at_least=1, at_most=3), "at least 1 and at most 3 memoryless blocks"),
        (Count(("memoryless",), at_least=3, at_most=3), "exactly 3 memoryless blocks"),
        (Positions((0, 3, -1), ("attention",)), "attention at position first, 3, last"),
        (Alternate(), "mixers and memoryless blocks in turn, a mixer first"),
        (Uniform("ratio", ("swiglu", "mlp")), "the same ratio in every swiglu or mlp block"),
    ],
)
def test_texts(rule: Rule, text: str) -> None:
    assert rule.text == text


@pytest.mark.parametrize(
    ("rule", "fragment"),
    [
        (Count(("attention",), at_least=5), "blocks = 4, but a rule needs at least 5 attention blocks"),
        (Count(("attention",), at_least=3, at_most=2), "at least 3 and allows at most 2 attention"),
        (Count(at_least=1), "needs kinds or operators"),
        (Count(("mixer",)), "kind mixer; legal: attention, recurrence"),  # type: ignore[arg-type]
        (Count(ops=("nothing",)), "unknown operator 'nothing'"),
        (Positions((4,), ("attention",)), "position 4; legal: -4 to 3"),
        (Positions((-5,), ("attention",)), "position -5"),
        (Uniform("kv", ("attention", "swiglu")), "kv of swiglu; its settings: ratio"),
    ],
)
def test_rules_that_mean_nothing_are_refused(rule: Rule, fragment: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        rule.check(4)
    assert fragment in str(caught.value)
