"""Layouts: text that reads back, depth by stretching and stacking, sizes at scales, refusals."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from genome_strategies import blocks, layouts
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from genomes import (
    RGLRU,
    Attention,
    Block,
    GatedLinearAttention,
    InvalidInput,
    Layout,
    Mamba2,
    Operator,
    Scale,
    ShortConv,
    SwiGLU,
    operator_table,
    parse_layout,
)

SCALE = Scale(width=64, head_dim=16)


def written(value: object) -> str:
    return {"True": "yes", "False": "no", "None": "none"}.get(str(value), str(value))


def refused(text: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        parse_layout(text)
    return str(caught.value)


# Text


@settings(deadline=None)
@given(layouts)
def test_text_reads_back(layout: Layout) -> None:
    assert parse_layout(str(layout)) == layout
    assert len(layout) == len(list(layout)) == len(str(layout).split())


@settings(deadline=None)
@given(blocks)
def test_every_setting_may_be_written_by_name(block: Block) -> None:
    given = [f"{name}={written(value)}" for name, value in block.settings]
    assert parse_layout(f"{block.op}({','.join(given)})") == Layout((block,))
    assert parse_layout(f"{block.op}({','.join(reversed(given))})") == Layout((block,))


@settings(deadline=None)
@given(layouts, st.lists(st.sampled_from([" ", "  ", "\n", "\t", ""]), min_size=8, max_size=8))
def test_spacing_is_tolerated(layout: Layout, spaces: list[str]) -> None:
    before, inside, around, after, *_ = spaces
    text = str(layout).replace(" ", "\n  ")
    text = text.replace("(", f"{before}({inside}").replace(")", f"{after})")
    text = text.replace("=", f"{around}={around}").replace(",", f"{inside},{after}")
    assert parse_layout(f"{before}{text}{after}") == layout


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("attention(kv=0.25)", "attention(kv=1/4)"),
        ("attention(kv=2/8)", "attention(kv=1/4)"),
        ("swiglu(2.50)", "swiglu(5/2)"),
        ("swiglu(.5)", "swiglu(1/2)"),
        ("swiglu(+4)", "swiglu(4)"),
        ("short_conv(3.0)", "short_conv(3)"),
        ("short_conv", "short_conv(3)"),
        ("short_conv()", "short_conv(3)"),
        ("short_conv(kernel=3)", "short_conv(3)"),
        ("attention(kv=1,window=none,qk_norm=no,rope=yes)", "attention"),
        ("attention(qk_norm=yes, kv=1/2)", "attention(kv=1/2,qk_norm=yes)"),
        ("skip()", "skip"),
    ],
)
def test_the_same_meaning_is_the_same_layout(text: str, meaning: str) -> None:
    assert parse_layout(text) == parse_layout(meaning)
    assert str(parse_layout(text)) == meaning


def test_defaults_are_filled_in() -> None:
    for name, operator in operator_table().items():
        (block,) = parse_layout(name)
        assert block == Block.of(name, {})
        assert dict(block.settings) == {key: setting.default for key, setting in operator.settings.items()}
        assert block.operator is operator


KNOWN = ", ".join(sorted(operator_table()))


@pytest.mark.parametrize(
    ("block", "fragments"),
    [
        ("Attention", ["unknown operator 'Attention'", KNOWN]),
        ("mamba3(2)", ["unknown operator 'mamba3'", KNOWN]),
        ("attention(", ["cannot read 'attention('", "attention(kv=1/4)"]),
        ("attention)", ["cannot read 'attention)'"]),
        ("attention((kv=1))", ["cannot read"]),
        ("short_conv(3)swiglu(4)", ["cannot read 'short_conv(3)swiglu(4)'"]),
        ("short_conv(3),", ["cannot read"]),
        ("4", ["cannot read '4'"]),
        ("attention(1/4)", ["attention", "'1/4' as name=value"]),
        ("attention(kv=1,)", ["'' as name=value"]),
        ("short_conv(3,4)", ["short_conv", "'4' as name=value"]),
        ("skip(1)", ["skip", "'1' as name=value"]),
        ("short_conv(3,kernel=3)", ["kernel is given twice"]),
        ("attention(kv=1,kv=1)", ["kv is given twice"]),
        ("attention(heads=4)", ["attention has no setting 'heads'", "kv, window, qk_norm, rope"]),
        ("skip(x=1)", ["skip has no setting 'x'", "none"]),
        ("short_conv(=3)", ["short_conv has no setting ''", "kernel"]),
        ("attention(kv=half)", ["attention", "kv = 'half'", "a fraction like 1/4"]),
        ("attention(kv=)", ["kv = ''", "not a number"]),
        ("attention(kv=1/0)", ["kv = '1/0'", "not a number"]),
        ("attention(kv=1/4=1)", ["kv = '1/4=1'", "not a number"]),
        ("attention(kv=1 / 4)", ["kv = '1 / 4'", "not a number"]),
        ("swiglu(1e2)", ["ratio = '1e2'", "not a number"]),
        ("swiglu(1e999999999999)", ["ratio = '1e999999999999'", "not a number"]),
        ("swiglu(1_0)", ["ratio = '1_0'", "not a number"]),
        ("swiglu(\N{ARABIC-INDIC DIGIT THREE})", ["ratio = ", "not a number"]),
        ("swiglu(nan)", ["ratio = 'nan'", "not a number"]),
        ("swiglu(inf)", ["ratio = 'inf'", "not a number"]),
        ("swiglu(" + "9" * 5000 + ")", ["ratio = '999", "not a number"]),
        ("swiglu(Yes)", ["ratio = 'Yes'", "not a number"]),
        ("swiglu(0)", ["swiglu", "ratio = 0", "a number from 1/16 to 64"]),
        ("swiglu(-1)", ["ratio = -1", "a number from 1/16 to 64"]),
        ("swiglu(65)", ["ratio = 65", "a number from 1/16 to 64"]),
        ("swiglu(none)", ["ratio = none", "a number from 1/16 to 64"]),
        ("swiglu(yes)", ["ratio = yes", "a number from 1/16 to 64"]),
        ("short_conv(1)", ["kernel = 1", "a whole number from 2 to 128"]),
        ("short_conv(5/2)", ["kernel = 5/2", "a whole number from 2 to 128"]),
        ("attention(kv=2)", ["kv = 2", "a number from 1/1024 to 1"]),
        ("attention(window=0)", ["window = 0", "a whole number from 1 to 16777216, or none"]),
        ("attention(window=no)", ["window = no", "or none"]),
        ("attention(qk_norm=1)", ["qk_norm = 1", "legal: yes or no"]),
        ("attention(qk_norm=none)", ["qk_norm = none", "legal: yes or no"]),
    ],
)
@pytest.mark.parametrize("index", [0, 2])
def test_refusals_name_block_setting_value_and_what_is_legal(block, fragments, index: int) -> None:
    message = refused(" ".join(["swiglu(4)"] * index + [block]))
    assert message.startswith(f"layout block {index}: ")
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_the_empty_layout_is_refused(text: str) -> None:
    assert "empty" in refused(text)
    with pytest.raises(InvalidInput, match="empty"):
        Layout(())


@settings(deadline=None)
@given(st.text(alphabet="attention shor_cv(3,4)=/.1yesnoskip", max_size=40))
def test_any_text_is_a_layout_or_refused(text: str) -> None:
    try:
        layout = parse_layout(text)
    except InvalidInput:
        return
    assert parse_layout(str(layout)) == layout


# Depth


def indices(blocks: int, length: int, repeat: str) -> list[int]:
    scale = Scale(width=64, head_dim=16, blocks=blocks, repeat=repeat)  # type: ignore[arg-type]
    return [scale.index(position, length) for position in range(blocks)]


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
@given(layouts, st.sampled_from([(64, 16), (63, 9), (96, 24), (2048, 64)]))
def test_any_layout_at_any_scale_is_an_architecture_or_refused(layout: Layout, sizes) -> None:
    width, head_dim = sizes
    try:
        built = layout.at(Scale(width=width, head_dim=head_dim))
    except InvalidInput as error:
        assert any(str(block) in str(error) for block in layout)
        return
    assert [b.name for b in built.blocks] == [b.op for b in layout if b.op != "skip"]


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
    ],
    ids=str,
)
def test_illegal_scales_are_refused(sizes: dict, fragment: str) -> None:
    with pytest.raises(ValidationError, match=fragment):
        Scale(**sizes)


def test_heads_fill_the_width() -> None:
    assert Scale(width=96, head_dim=24).heads == 4
