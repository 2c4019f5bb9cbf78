"""What is trained is what is priced: spans of the context, and variants that a proxy cannot tell apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import Block, InvalidInput, Scale, parse_layout
from genomes.transfer import WIDEST, check_spans, check_twins, shortest_length, spans
from support.layout_cases import blocks

PROXY = Scale(width=64, head_dim=16, context=64)
TARGET = Scale(width=1024, head_dim=64, context=4096)


def named(*texts: str) -> dict[str, Block]:
    return {f"class {text}": block for text in texts for block in parse_layout(text)}


def refused(call, *arguments: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attention(window=1/4)", ["window = 1/4 of the context"]),
        ("attention(window=8,conv=3)", ["window = 8 tokens", "conv = 3 tokens"]),
        ("attention(window=8)-short_conv(7)", ["window = 8 tokens", "kernel = 7 tokens"]),
        ("hyena(filter=16)", ["filter = 16 tokens"]),
        ("hyena", ["horizon = 1024 tokens"]),
        ("hyena(horizon=1/4)", ["horizon = 1/4 of the context"]),
        ("s6(kernel=4)", ["kernel = 4 tokens"]),
        ("gated_deltanet", ["conv = 4 tokens"]),
        ("swiglu(4)", []),
        ("moe(2,experts=64)", []),
        ("attention", []),
    ],
)
def test_windows_and_filters_are_found(text: str, expected: list[str]) -> None:
    (block,) = parse_layout(text)
    assert [str(span) for span in spans(block)] == expected


@settings(deadline=None)
@given(blocks)
def test_the_shortest_length_has_room_and_one_token_less_has_not(block: Block) -> None:
    shares = [span for span in spans(block) if span.is_share]
    if any(span.value > WIDEST for span in shares):
        assert "up to 1/4" in refused(check_spans, {"it": block}, 1 << 30)
        return
    length = shortest_length([block])
    check_spans({"it": block}, length)
    assert all(span.value * length >= span.least for span in shares)
    for span in spans(block):
        if not span.is_share:
            assert 4 * span.value <= length
    if length > 1:
        shorter = length - 1
        assert any(
            span.value * shorter < span.least if span.is_share else 4 * span.value > shorter
            for span in spans(block)
        )


def test_the_widest_is_named_with_the_length_that_has_room() -> None:
    message = refused(check_spans, named("short_conv(3)", "hyena_y(32)", "attention(window=128)"), 64)
    assert message == (
        "class attention(window=128): window = 128 tokens with sequences of 64 tokens, the widest of 2 that "
        "are too wide; legal: at most 16 tokens, or a share of the context up to 1/4; take at least 512 "
        "tokens, or write a smaller one"
    )


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ("attention(window=64)", "attention", "attention heads=16 kv_heads=16 head_dim=64 window=64"),
        ("attention(window=128)", "attention(window=64)", "window=128"),
        ("attention(window=1/4)", "attention(window=16)", "window=1024"),
        ("hyena(filter=64)", "hyena(filter=128)", "filter_length=128"),
        ("hyena_y(64)", "short_conv(128)", "short_conv kernel=128"),
        ("hyena_x(100)", "hyena_x(64)", "hyena_x kernel=100"),
        ("swiglu(2)", "swiglu(15/8)", "swiglu hidden=1920"),
        ("attention(conv=64)-attention", "attention(conv=128)-attention", "'conv': 128"),
    ],
)
def test_twins_of_the_proxy_alone_are_refused(one: str, other: str, differ: str) -> None:
    message = refused(check_twins, named(one, "swiglu(4)", other), PROXY, TARGET)
    assert message.startswith(f"class {one} and class {other} are one function at the proxy (")
    assert differ in message


def test_the_message_says_which_proxy_tells_them_apart() -> None:
    wider = refused(check_twins, named("swiglu(2)", "swiglu(15/8)"), PROXY, TARGET)
    assert wider.endswith("; a proxy of width 128 tells them apart")
    check_twins(named("swiglu(2)", "swiglu(15/8)"), PROXY.model_copy(update={"width": 128}), TARGET)
    longer = refused(check_twins, named("attention", "attention(window=100)"), PROXY, TARGET)
    assert longer.endswith("; sequences of 128 tokens tell them apart")
    check_twins(
        named("attention", "attention(window=100)"), PROXY.model_copy(update={"context": 128}), TARGET
    )


@pytest.mark.parametrize(
    "texts",
    [
        ("hyena_y(7)", "short_conv(7)"),  # at both scales
        ("attention(window=8192)", "attention"),
        ("attention(window=1/8)", "attention(window=1/4)", "attention", "attention(window=4)"),
        ("skip", "swiglu(2)", "swiglu(8/3)", "swiglu(4)"),
    ],
)
def test_what_is_the_same_or_different_at_both_scales_is_legal(texts: tuple[str, ...]) -> None:
    check_twins(named(*texts), PROXY, TARGET)


@settings(deadline=None)
@given(blocks, st.sampled_from([PROXY, TARGET]))
def test_the_canonical_form_is_its_own_and_does_not_depend_on_more_context(
    block: Block, scale: Scale
) -> None:
    try:
        operator = block.at(scale)
    except InvalidInput:
        return
    for context in (None, 16, 64, 4096):
        once = operator.canonical(context)
        assert once.canonical(context) == once
        assert operator.canonical().canonical(context) == once
        assert once.kind == operator.kind and once.shareable == operator.shareable
    assert operator.canonical(16) == operator.canonical(64).canonical(16)
