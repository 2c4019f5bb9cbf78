"""Layouts at scales: depth by stretching and stacking, sharing within copies, sizes."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from genomes import (
    RGLRU,
    Attention,
    GatedLinearAttention,
    InvalidInput,
    Layout,
    Mamba2,
    Operator,
    Scale,
    ShortConv,
    SwiGLU,
    parse_layout,
)
from genomes.layout import repeated
from genomes.operators import Difference
from support.layout_cases import layouts, sharing, sized

SCALE = Scale(width=64, head_dim=16)
repeats = st.sampled_from(["stretch", "stack"])


def at(blocks: int, repeat: str) -> Scale:
    return Scale(width=64, head_dim=16, blocks=blocks, repeat=repeat)  # type: ignore[arg-type]


# Depth


def indices(blocks: int, length: int, repeat: str) -> list[int]:
    return at(blocks, repeat).indices(length)


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(1, 8))
def test_whole_multiples_repeat_exactly(length: int, times: int) -> None:
    stretched, stacked = (indices(length * times, length, repeat) for repeat in ("stretch", "stack"))
    assert stretched == [index for index in range(length) for _ in range(times)]
    assert stacked == list(range(length)) * times


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(0, 100))
def test_stretching_takes_the_nearest_block(length: int, more: int) -> None:
    blocks = length + more
    found = indices(blocks, length, "stretch")
    assert found == sorted(found)
    assert set(found) == set(range(length))
    counts = Counter(found).values()
    assert max(counts) - min(counts) <= 1
    for position, index in enumerate(found):  # centres of blocks, as shares of the depth
        here = Fraction(2 * position + 1, 2 * blocks)
        distance = [abs(here - Fraction(2 * i + 1, 2 * length)) for i in range(length)]
        assert distance[index] == min(distance)


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(1, 100))
def test_stacking_cycles(length: int, blocks: int) -> None:
    found = indices(blocks, length, "stack")
    assert found[:length] == list(range(min(length, blocks)))
    assert all(after == (before + 1) % length for before, after in pairwise(found))


@pytest.mark.parametrize("repeat", ["stretch", "stack"])
def test_without_a_number_of_blocks_a_layout_keeps_its_own(repeat: str) -> None:
    layout = parse_layout("short_conv(3) swiglu(4) attention")
    built = layout.at(Scale(width=64, head_dim=16, repeat=repeat))  # type: ignore[arg-type]
    assert [block.name for block in built.blocks] == ["short_conv", "swiglu", "attention"]


def test_stretched_and_stacked_architectures() -> None:
    layout = parse_layout("short_conv(3) swiglu(4)")
    names = {
        repeat: [b.name for b in layout.at(Scale(width=64, head_dim=16, blocks=4, repeat=repeat)).blocks]
        for repeat in ("stretch", "stack")
    }
    assert names == {
        "stretch": ["short_conv", "short_conv", "swiglu", "swiglu"],
        "stack": ["short_conv", "swiglu", "short_conv", "swiglu"],
    }


@settings(deadline=None)
@given(st.lists(st.sampled_from(["skip", "swiglu(2)", "attention", "short_conv"]), min_size=1, max_size=10))
def test_skips_are_dropped(texts: list[str]) -> None:
    layout = parse_layout(" ".join(texts))
    kept = [text for text in texts if text != "skip"]
    if not kept:
        with pytest.raises(InvalidInput, match="every block is a skip"):
            layout.at(SCALE)
        return
    built = layout.at(SCALE)
    assert built.blocks == parse_layout(" ".join(kept)).at(SCALE).blocks
    assert built.fingerprint == parse_layout(" ".join(kept)).at(SCALE).fingerprint
    doubled = layout.at(SCALE.model_copy(update={"blocks": 2 * len(layout)}))
    assert len(doubled.blocks) == 2 * len(kept)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["swiglu(2)", "attention", "short_conv"]), min_size=1, max_size=9), repeats)
def test_fewer_blocks_keep_every_kind_or_are_refused(texts: list[str], repeat: str) -> None:
    layout = parse_layout(" ".join(texts))
    kinds = {block.operator.kind for block in layout}
    for blocks in range(1, len(layout) + 1):
        kept = {layout.blocks[i].operator.kind for i in indices(blocks, len(layout), repeat)}
        if kept == kinds:
            assert {block.kind for block in layout.at(at(blocks, repeat)).blocks} == kinds
        else:
            with pytest.raises(InvalidInput, match="leaves out every block of kind"):
                layout.at(at(blocks, repeat))


@pytest.mark.parametrize(
    ("repeat", "reason"),
    [
        (
            "stretch",
            "stretch to 2 blocks leaves out every block of kind attention, memoryless; it needs 3 blocks",
        ),
        (
            "stack",
            "stack to 2 blocks leaves out every block of kind attention, memoryless; it needs 5 blocks",
        ),
    ],
)
def test_the_kind_that_vanishes_is_named(repeat: str, reason: str) -> None:
    layout = parse_layout("short_conv short_conv attention skip swiglu(4)")
    with pytest.raises(InvalidInput) as caught:
        layout.at(at(2, repeat))
    assert str(caught.value) == f"{layout}: {reason}"


# Sharing


def pattern(text: str, blocks: int, repeat: str = "stretch") -> str:
    """The shares of each block of the architecture, as in a layout's text."""
    built = parse_layout(text).at(at(blocks, repeat))
    shown = (",".join(f"{share.what}=@{share.donor}" for share in block.shares) for block in built.blocks)
    return " ".join(text or "." for text in shown)


@pytest.mark.parametrize(
    ("text", "blocks", "repeat", "found"),
    [
        # whole multiples: copy c with copy c
        ("attention swiglu(4) attention(cache=@0)", 6, "stretch", ". . . . cache=@0 cache=@1"),
        ("attention swiglu(4) attention(cache=@0)", 6, "stack", ". . cache=@0 . . cache=@3"),
        ("2x[mamba2]", 6, "stretch", ". . . weights=@0 weights=@1 weights=@2"),
        # uneven: stretching 3 to 4 repeats the middle block, to 5 the others
        ("attention attention(cache=@0) attention", 4, "stretch", ". cache=@0 cache=@0 ."),
        ("attention swiglu(4) attention(cache=@0)", 5, "stretch", ". . . cache=@0 cache=@1"),
        ("swiglu(4) attention attention(cache=@1)", 4, "stretch", ". . . cache=@1"),
        ("attention swiglu(4) attention(cache=@0)", 5, "stack", ". . cache=@0 . ."),
        # skips are no blocks
        ("skip attention skip attention(cache=@1)", 4, "stretch", ". cache=@0"),
        ("skip attention attention(cache=@1)", 6, "stack", ". cache=@0 . cache=@2"),
        # fewer blocks: 1, 3 and 5 of 0 to 5 are left, so the first of them owns
        ("attention" + " attention(cache=@0)" * 5, 3, "stretch", ". cache=@0 cache=@0"),
        ("attention" + " attention(cache=@0)" * 5, 3, "stack", ". cache=@0 cache=@0"),
        ("mla" + " mla(weights=@0,cache=@0)" * 5, 3, "stretch", ". weights=@0,cache=@0 weights=@0,cache=@0"),
        (
            "attention attention(keys=@0) mla attention(values=@0) mla attention(keys=@0,values=@0)",
            3,
            "stretch",
            ". . keys=@0,values=@1",
        ),
        # block 3 inherits the weights of 0, without those of the cache that it has from 1: block 5 needs them
        (
            "attention attention attention attention(weights=@0,cache=@1) attention attention(weights=@0)",
            3,
            "stretch",
            ". cache=@0 .",
        ),
    ],
)
def test_sharing_stays_within_its_copy(text: str, blocks: int, repeat: str, found: str) -> None:
    assert pattern(text, blocks, repeat) == found


layouts_with_sizes = sharing(sized)


def owned(blocks: Iterable[Operator]) -> tuple[int, int]:
    """Parameters and state that no block has from another."""
    blocks = list(blocks)
    return sum(b.parameters(64) for b in blocks), sum(b.state_elements(64, 50) for b in blocks)


@settings(deadline=None)
@given(layouts_with_sizes, st.integers(1, 4), repeats)
def test_whole_multiples_keep_the_proportion_that_is_shared(layout: Layout, times: int, repeat: str) -> None:
    assume(any(block.op != "skip" for block in layout))
    once = owned(layout.at(SCALE).blocks)
    assert owned(layout.at(at(times * len(layout), repeat)).blocks) == tuple(times * n for n in once)


@settings(deadline=None)
@given(layouts_with_sizes, st.integers(1, 30), repeats)
def test_any_layout_at_any_depth_shares_with_copies_of_its_donors(layout, blocks: int, repeat: str) -> None:
    try:
        built = layout.at(at(blocks, repeat))
    except InvalidInput as error:
        assert "every block is a skip" in str(error) or "leaves out every block of kind" in str(error)
        return
    sources = [i for i in indices(blocks, len(layout), repeat) if layout.blocks[i].op != "skip"]
    for index, block in zip(sources, built.blocks, strict=True):
        wanted = {share.what: share.donor for share in layout.blocks[index].shares}
        for share in block.shares:
            donor = sources[share.donor]
            heirs = layout.blocks[donor].shares
            same = any((s.what, s.donor) == (share.what, wanted[share.what]) for s in heirs)
            assert donor == wanted[share.what] or (same and wanted[share.what] not in sources)
        if blocks >= len(layout):  # no donor is left out
            assert [share.what for share in block.shares] == list(wanted)


@settings(deadline=None)
@given(layouts_with_sizes, st.data(), st.integers(1, 4))
def test_a_repeated_group_costs_its_weights_once(layout: Layout, data: st.DataObject, times: int) -> None:
    assume(any(block.op != "skip" for block in layout))
    cut = data.draw(st.integers(0, len(layout) - 1))
    before, group = layout.blocks[:cut], layout.blocks[cut:]
    repeats = Layout(repeated(before, group, times))
    once = layout.at(SCALE).blocks
    start = sum(block.op != "skip" for block in before)
    states = [owned(some)[1] for some in (once[:start], once[start:])]
    assert owned(repeats.at(SCALE).blocks) == (owned(once)[0], states[0] + times * states[1])
    text = " ".join([*map(str, before), f"{times}x[{' '.join(map(str, group))}]"])
    assert parse_layout(text) == repeats


# Sizes


@pytest.mark.parametrize(
    ("text", "proxy", "target"),
    [
        ("swiglu(4)", SwiGLU(hidden=256), SwiGLU(hidden=8192)),
        ("swiglu(8/3)", SwiGLU(hidden=176), SwiGLU(hidden=5472)),
        ("swiglu(1/16)", SwiGLU(hidden=16), SwiGLU(hidden=128)),
        ("short_conv(7)", ShortConv(kernel=7), ShortConv(kernel=7)),
        (
            "attention",
            Attention(heads=4, kv_heads=4, head_dim=16),
            Attention(heads=32, kv_heads=32, head_dim=64),
        ),
        (
            "attention(kv=1/4,window=16,qk_norm=yes,rope=no)",
            Attention(heads=4, kv_heads=1, head_dim=16, qk_norm=True, rope_theta=None, window=16),
            Attention(heads=32, kv_heads=8, head_dim=64, qk_norm=True, rope_theta=None, window=16),
        ),
        ("rg_lru", RGLRU(lru_width=64, heads=4), RGLRU(lru_width=2048, heads=32)),
        ("rg_lru(expand=3/2)", RGLRU(lru_width=96, heads=4), RGLRU(lru_width=3072, heads=32)),
        (
            "gated_linear_attention",
            GatedLinearAttention(heads=4, key_dim=8, value_dim=16),
            GatedLinearAttention(heads=32, key_dim=32, value_dim=64),
        ),
        (
            "mamba2",
            Mamba2(heads=8, head_dim=16, state_dim=32),
            Mamba2(heads=64, head_dim=64, state_dim=128),
        ),
        (
            "attention(kv=1/4)-attention(kv=1/2,rope=no)",
            Difference(
                plus=Attention(heads=4, kv_heads=1, head_dim=16),
                minus=Attention(heads=4, kv_heads=2, head_dim=16, rope_theta=None),
            ),
            Difference(
                plus=Attention(heads=32, kv_heads=8, head_dim=64),
                minus=Attention(heads=32, kv_heads=16, head_dim=64, rope_theta=None),
            ),
        ),
        (
            "mamba2(expand=1/2,state=1/4)",
            Mamba2(heads=2, head_dim=16, state_dim=4),
            Mamba2(heads=16, head_dim=64, state_dim=16),
        ),
    ],
)
def test_sizes_at_scales(text: str, proxy: Operator, target: Operator) -> None:
    layout = parse_layout(text)
    assert layout.at(SCALE).blocks == (proxy,)
    built = layout.at(Scale(width=2048, head_dim=64, blocks=2, vocab_size=65536), name="mine")
    assert built.blocks == (target, target)
    assert (built.width, built.vocab_size, built.name) == (2048, 65536, "mine")
    assert layout.at(SCALE).name == str(layout)


@pytest.mark.parametrize(
    ("text", "scale", "reason"),
    [
        ("attention(kv=1/3)", SCALE, "kv heads (kv 1/3 x 4 heads) = 4/3"),
        ("attention(kv=1/8)", SCALE, "kv heads (kv 1/8 x 4 heads) = 1/2"),
        ("attention(kv=3/4)", SCALE, "kv_heads = 3 does not divide heads = 4"),
        ("attention", Scale(width=63, head_dim=9), "head_dim = 9 is odd"),
        ("rg_lru(expand=1/10)", SCALE, "lru_width (expand 1/10 x width 64) = 32/5"),
        ("rg_lru(expand=1/16)", Scale(width=64, head_dim=8), "heads = 8 does not divide lru_width = 4"),
        ("gated_linear_attention(key=1/3)", SCALE, "key_dim (key 1/3 x head_dim 16) = 16/3"),
        ("mamba2(expand=1/3)", SCALE, "heads (expand 1/3 x 4) = 4/3"),
        ("attention-attention(kv=1/3)", SCALE, "kv heads (kv 1/3 x 4 heads) = 4/3"),
        ("mamba2(state=1/3)", SCALE, "state_dim (state 1/3 x 16) = 16/3"),
    ],
)
def test_impossible_ratios_name_the_block_and_the_scale(text: str, scale: Scale, reason: str) -> None:
    layout = parse_layout(f"swiglu(4) {text}")
    with pytest.raises(InvalidInput) as caught:
        layout.at(scale)
    message = str(caught.value)
    assert message.startswith(f"{text} at width {scale.width}, head_dim {scale.head_dim}: {reason}")


@settings(deadline=None)
@given(layouts, st.sampled_from([(64, 16, None), (63, 9, 64), (96, 24, 1024), (2048, 64, 4096)]))
def test_any_layout_at_any_scale_is_an_architecture_or_refused(layout: Layout, sizes) -> None:
    width, head_dim, context = sizes
    try:
        built = layout.at(Scale(width=width, head_dim=head_dim, context=context))
    except InvalidInput as error:
        assert any(str(block) in str(error) for block in layout)
        return
    names = ["difference" if b.minus else b.op for b in layout if b.op != "skip"]
    assert [b.name for b in built.blocks] == names


# Shares of the context

SHARES = st.fractions(Fraction(1, 16), Fraction(1, 4), max_denominator=16)
LENGTHS = {"attention(window={})": "window", "hyena(filter={})": "filter_length", "hyena_x({})": "kernel"}


@settings(deadline=None)
@given(st.sampled_from(list(LENGTHS)), SHARES, st.integers(64, 8192), st.integers(64, 8192))
def test_a_share_is_the_same_part_of_every_context(text: str, share: Fraction, short: int, long: int) -> None:
    block = parse_layout(text.format(share)).blocks[0]
    for context in (short, long):
        tokens = getattr(block.at(SCALE.model_copy(update={"context": context})), LENGTHS[text])
        assert 0 <= share * context - tokens < 1


@settings(deadline=None)
@given(st.sampled_from(list(LENGTHS)), st.integers(3, 5000))
def test_whole_tokens_are_the_same_in_every_context(text: str, tokens: int) -> None:
    block = parse_layout(text.format(tokens)).blocks[0]
    for context in (None, 64, 4096):
        assert getattr(block.at(SCALE.model_copy(update={"context": context})), LENGTHS[text]) == tokens


@pytest.mark.parametrize(
    ("text", "context", "reason"),
    [
        ("attention(window=1/4)", None, "window = 1/4 is a share of the context, and the scale has none"),
        (
            "attention(window=1/128)",
            64,
            "window = 1/128 of a context of 64 is 0 tokens; legal: 1 to 16777216",
        ),
        ("hyena(filter=1/32)", 64, "filter = 1/32 of a context of 64 is 2 tokens; legal: 3 to"),
        ("attention(conv=1/4)", 4096, "conv = 1/4 of a context of 4096 is 1024 tokens; legal: 2 to 128"),
        ("attention-attention(window=1/4)", None, "window = 1/4 is a share"),
    ],
)
def test_a_share_that_is_no_legal_length_is_refused(text: str, context: int | None, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_layout(text).at(SCALE.model_copy(update={"context": context}))
    assert str(caught.value).startswith(f"{text} at width 64, head_dim 16: {reason}")


# Runs of equal blocks


@settings(deadline=None)
@given(layouts_with_sizes, st.integers(1, 30), repeats)
def test_runs_are_the_blocks_in_their_order(layout: Layout, blocks: int, repeat: str) -> None:
    runs = layout.runs(at(blocks, repeat))
    spelt = [block for block, count in runs for _ in range(count)]
    kept = [layout.blocks[i] for i in indices(blocks, len(layout), repeat)]
    assert spelt == [block for block in kept if block.op != "skip"]
    assert all(first != second for (first, _), (second, _) in pairwise(runs))


def test_what_stretching_makes_of_lfm2() -> None:
    layout = parse_layout("short_conv(3) swiglu(4) attention(kv=1/4) swiglu(4)")
    runs = [(str(block), count) for block, count in layout.runs(at(8, "stretch"))]
    assert runs == [("short_conv(3)", 2), ("swiglu(4)", 2), ("attention(kv=1/4)", 2), ("swiglu(4)", 2)]
    assert all(count == 1 for _, count in layout.runs(at(8, "stack")))


# Scales


@pytest.mark.parametrize(
    ("sizes", "fragment"),
    [
        ({"width": 64, "head_dim": 24}, "head_dim 24 does not divide width 64"),
        ({"width": 4, "head_dim": 2}, "greater than or equal to 8"),
        ({"width": 64, "head_dim": 1}, "greater than or equal to 2"),
        ({"width": 64, "head_dim": 16, "blocks": 0}, "greater than or equal to 1"),
        ({"width": 64, "head_dim": 16, "blocks": True}, "valid integer"),
        ({"width": 64.0, "head_dim": 16}, "valid integer"),
        ({"width": "64", "head_dim": 16}, "valid integer"),
        ({"width": 64, "head_dim": 16, "vocab_size": 1}, "greater than or equal to 2"),
        ({"width": 64, "head_dim": 16, "repeat": "tile"}, "'stretch' or 'stack'"),
        ({"width": 64, "head_dim": 16, "depth": 3}, "Extra inputs"),
        ({"width": 64, "head_dim": 16, "context": 0}, "greater than or equal to 1"),
    ],
    ids=str,
)
def test_illegal_scales_are_refused(sizes: dict, fragment: str) -> None:
    with pytest.raises(ValidationError, match=fragment):
        Scale(**sizes)


def test_heads_fill_the_width() -> None:
    assert Scale(width=96, head_dim=24).heads == 4
