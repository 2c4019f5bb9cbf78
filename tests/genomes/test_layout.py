"""Layouts: text that reads back, sharing, differences, repetition, refusals."""

import doctest
from dataclasses import replace
from math import exp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import Attention, Block, InvalidInput, Layout, Scale, operator_table, parse_layout
from genomes.operators import Share
from support import ROOT
from support.layout_cases import NAMES, blocks, layouts, plain

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
@given(plain)
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
        ("skip attention skip attention( cache = @1 )", "skip attention skip attention(cache=@1)"),
        ("attention attention(cache=@0,kv=1)", "attention attention(cache=@0)"),
        ("attention attention(values=@0,weights=@0)", "attention attention(weights=@0,values=@0)"),
        ("swiglu(2) swiglu(weights=@0,ratio=2)", "swiglu(2) swiglu(2,weights=@0)"),
        ("attention (kv=.5)-mamba2(expand=2)", "attention(kv=1/2)-mamba2"),
        ("2x[skip attention]", "skip attention skip attention(weights=@1)"),
        ("1x[ attention\n]", "attention"),
        (
            "swiglu 3x[short_conv swiglu]",
            (
                "swiglu(4) short_conv(3) swiglu(4) short_conv(3,weights=@1) swiglu(4,weights=@2) "
                "short_conv(3,weights=@1) swiglu(4,weights=@2)"
            ),
        ),
        (
            "attention 2x[attention(cache=@0) attention attention(keys=@2)] attention(cache=@5)",
            (
                "attention attention(cache=@0) attention attention(keys=@2) attention(weights=@1,cache=@0) "
                "attention(weights=@2) attention(weights=@3,keys=@5) attention(cache=@5)"
            ),
        ),
        (
            "2x[attention attention(weights=@0)]",
            "attention attention(weights=@0) attention(weights=@0) attention(weights=@0)",
        ),
    ],
)
def test_the_same_meaning_is_the_same_layout(text: str, meaning: str) -> None:
    assert parse_layout(text) == parse_layout(meaning)
    assert str(parse_layout(text)) == meaning


@pytest.mark.parametrize(
    ("text", "weights", "cache"),
    [
        ("attention", None, None),
        ("attention weights=int4", "int4", None),
        ("attention cache=int8", None, "int8"),
        ("attention attention(weights=@0) weights=bfloat16 cache=float16", "bfloat16", "float16"),
    ],
)
def test_what_a_layout_is_stored_in_stands_at_its_end(text: str, weights: str, cache: str) -> None:
    layout = parse_layout(text)
    assert str(layout) == text
    assert (layout.weights, layout.cache) == (weights, cache)
    architecture = layout.at(SCALE)
    assert (architecture.weights, architecture.cache) == (weights, cache)
    assert (
        layout.at(SCALE).bare.fingerprint == replace(layout, weights=None, cache=None).at(SCALE).fingerprint
    )
    assert parse_layout(" ".join((*map(str, layout), *reversed(text.split()[len(layout) :])))) == layout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("attention weights=int3", "weights = 'int3'; legal: float32, float16, bfloat16, int8, int4"),
        ("attention cache=int4", "cache = 'int4'; legal: float32, float16, bfloat16, int8"),
        ("attention cache=int8 cache=int8", "cache= is given twice"),
        ("attention weights=int8 swiglu(4)", "weights= and cache= stand at the end"),
        ("2x[attention weights=int8]", "cannot read 'weights=int8]'"),
        ("2x[attention weights=int8 ]", "weights= and cache= stand at the end"),
        ("weights=int8", "the layout is empty"),
        ("attention state=int8", "cannot read 'state=int8'"),
    ],
)
def test_what_nothing_is_stored_in_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


def test_defaults_are_filled_in() -> None:
    for name in NAMES:
        operator = operator_table()[name]
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
        ("attention-attention-attention", ["cannot read 'attention-attention-attention'"]),
        ("attention-4", ["cannot read 'attention-4'", "attention-attention"]),
        (
            "attention-swiglu",
            ["attention-swiglu(4): a difference takes two mixers; swiglu is of kind memoryless"],
        ),
        ("skip-attention", ["skip-attention", "skip is of kind skip"]),
        ("attention-attention(cache=@0)", ["shares as a whole", "first mixer"]),
        ("difference", ["two mixers, like attention-attention"]),
        ("0x[attention]", ["1 blocks 0 times; legal: 1 to 4096 times"]),
        ("5000x[attention swiglu]", ["2 blocks 5000 times; legal: 1 to 2048 times"]),
        ("2x[]", ["a group without blocks", "2x[attention swiglu(4)]"]),
        ("-2x[attention]", ["cannot read '-2x[attention]'"]),
        ("2 x[attention]", ["cannot read '2 x[attention]'"]),
        ("[attention]", ["cannot read '[attention]'", "groups like 2x["]),
        ("]", ["] closes no group"]),
        ("attention(cache=1)", ["attention: cache = '1' is not a block; write @ and its index, like @0"]),
        ("attention(cache=@-1)", ["cache = '@-1' is not a block"]),
        ("attention(cache=@)", ["cache = '@' is not a block"]),
        ("attention(kv=@0)", ["kv = '@0' is for what blocks can share: weights, cache, keys, values"]),
        ("attention(@0)", ["'@0' as name=value"]),
        ("short_conv(@0)", ["kernel = '@0' is for what blocks can share"]),
        ("attention(cache=@0,cache=@0)", ["cache is given twice"]),
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
        ("short_conv(1)", ["kernel = 1", "a whole number of tokens from 2 to 16777216, or a share"]),
        ("short_conv(5/2)", ["kernel = 5/2", "a whole number of tokens from 2 to 16777216, or a share"]),
        ("attention(kv=2)", ["kv = 2", "a number from 1/1024 to 1"]),
        (
            "attention(window=0)",
            ["window = 0", "from 1 to 16777216, or a share of the context below 1, or none"],
        ),
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


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("attention 2x[attention", "layout block 2: the bracket of 2x[ is not closed"),
        ("attention 2x[attention 3x[", "layout block 2: 3x[ inside a group; groups do not nest"),
        ("2x[attention]swiglu", "layout block 1: cannot read ']swiglu'"),
        ("attention - attention", "layout block 1: cannot read '- attention'"),
    ],
)
def test_refusals_of_brackets_and_dashes(text: str, fragment: str) -> None:
    assert refused(text).startswith(fragment)


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_the_empty_layout_is_refused(text: str) -> None:
    assert "empty" in refused(text)
    with pytest.raises(InvalidInput, match="empty"):
        Layout(())


@settings(deadline=None)
@given(st.text(alphabet="attention shor_cv(3,4)=/.1yesnoskip@2x[]-", max_size=40))
def test_any_text_is_a_layout_or_refused(text: str) -> None:
    try:
        layout = parse_layout(text)
    except InvalidInput:
        return
    assert parse_layout(str(layout)) == layout


WORDS = [
    "attention skip",
    "cache=@0",
    "keys=@1",
    "2x[",
    "]",
    "-",
    "(",
    ")",
    "swiglu(",
    "weights=@0",
    " weights=int8",
    " cache=float16",
    "mla",
    ",",
    " ",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=10).map("".join))
def test_any_words_are_a_layout_or_refused(text: str) -> None:
    try:
        layout = parse_layout(text)
    except InvalidInput:
        return
    assert parse_layout(str(layout)) == layout


# Sharing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("attention(cache=@0)", "cache of block 0, not an earlier block; no block stands before it"),
        ("skip attention(cache=@1)", "cache of block 1, not an earlier block; legal: 0 to 0"),
        ("skip skip attention(cache=@9)", "cache of block 9, not an earlier block; legal: 0 to 1"),
        ("swiglu attention(weights=@0)", "weights of block 0 (swiglu(4)), an unlike block"),
        ("attention attention(kv=1/2,cache=@0)", "cache of block 0 (attention), an unlike block"),
        ("attention attention(cache=@0)-attention", "cache of block 0 (attention), an unlike block"),
        ("swiglu swiglu(4,keys=@0)", "has no keys to share; it can share: weights"),
        ("mla mla(values=@0)", "has no values to share; it can share: weights, cache"),
        ("mla-attention mla(keys=@0)-attention", "has no keys to share; it can share: weights, cache"),
        ("skip skip(weights=@0)", "has no weights to share; it can share: nothing"),
        ("attention attention(cache=@0,keys=@0)", "shares cache together with keys or values"),
        (
            "attention attention(weights=@0) attention(weights=@1)",
            "weights of block 1, which itself shares weights with block 0; share with block 0 instead",
        ),
        (
            "attention attention(cache=@0) attention(keys=@1)",
            "keys of block 1, which itself shares cache with block 0; share with block 0 instead",
        ),
        (
            "attention attention(keys=@0) attention(cache=@1)",
            "cache of block 1, which itself shares keys with block 0; share with block 0 instead",
        ),
        (
            "attention attention(cache=@0) attention(weights=@1)",
            "weights of block 1, which has no weights for cache itself; share cache too",
        ),
        (
            "attention attention(values=@0) attention(weights=@1,keys=@0)",
            "weights of block 1, which has no weights for values itself; share values too",
        ),
    ],
)
def test_illegal_sharing_is_refused(text: str, message: str) -> None:
    index = len(text.split()) - 1
    assert refused(text).startswith(f"blocks[{index}] ({text.split()[-1]}): {message}")


@pytest.mark.parametrize(
    "text",
    [
        "attention attention(weights=@0,cache=@0)",
        "attention attention(keys=@0) attention(values=@1)",
        "attention attention attention(keys=@0,values=@1)",
        "attention attention(weights=@0) attention(cache=@1)",
        "attention attention(cache=@0) attention attention(weights=@1,cache=@2)",
        "attention attention(keys=@0) attention(weights=@1,cache=@0)",
        "attention-mla attention(weights=@0)-mla",
        "attention-attention attention(weights=@0,keys=@0)-attention",
    ],
)
def test_legal_sharing_builds(text: str) -> None:
    layout = parse_layout(text)
    assert str(layout) == text
    built = layout.at(SCALE)
    assert [block.shares for block in built.blocks] == [block.shares for block in layout]


@settings(deadline=None)
@given(blocks)
def test_every_block_but_skip_shares_its_weights(block: Block) -> None:
    twice = (block, replace(block, shares=(Share(what="weights", donor=0),)))
    if block.op == "skip":
        with pytest.raises(InvalidInput, match="it can share: nothing"):
            Layout(twice)
    else:
        assert parse_layout(str(Layout(twice))).blocks == twice


def test_blocks_put_their_shares_in_order() -> None:
    shares = [Share(what=what, donor=0) for what in ("values", "keys", "weights")]
    donor = Block.of("attention", {})
    block = replace(donor, shares=tuple(shares))
    assert [share.what for share in block.shares] == ["weights", "keys", "values"]
    with pytest.raises(InvalidInput, match="shares keys twice"):
        Layout((donor, replace(donor, shares=(shares[1], shares[1]))))


def test_the_examples_of_the_page_run() -> None:
    page = ROOT / "docs" / "layouts.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried >= 10 and not failed


def test_differential_attention_starts_by_its_depth() -> None:
    """0.8 - 0.6 exp(-0.3 (l - 1)) in layer l (arXiv 2410.05258, section 2.1); blocks that share are alike."""
    layout = parse_layout("attention(differential=yes) swiglu(2) " * 3)
    scale = Scale(width=64, head_dim=16)
    starts = [block.lambda_init for block in layout.at(scale).blocks if isinstance(block, Attention)]
    assert starts == pytest.approx([0.8 - 0.6 * exp(-0.3 * layer) for layer in range(3)], abs=1e-4)
    deeper = layout.at(Scale(width=64, head_dim=16, blocks=12)).blocks
    assert len({block.lambda_init for block in deeper if isinstance(block, Attention)}) == 6
    diff = "attention(differential=yes)"
    shared = parse_layout(f"{diff} swiglu(2) attention(differential=yes,weights=@0)").at(scale)
    assert shared.blocks[2].alone == shared.blocks[0]
    first, second = parse_layout(f"{diff}-attention {diff}-attention").at(scale).blocks
    assert second.part("plus").lambda_init > first.part("plus").lambda_init
