"""The four genes by which blocks share: read, written, and refused by gene."""

import pickle

import pytest

from genomes import (
    IllegalGenome,
    genome_text,
    parse_genome,
    parse_layout,
)
from support.space_cases import SHARED, SMALL, refused


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("21112-51111-21112", "attention swiglu(2) attention(keys=@0)"),
        ("21113-21113-21113", "attention attention(values=@0) attention(values=@0)"),
        ("31114-31124-31114", "attention(kv=1/4) attention(kv=1/4) attention(kv=1/4,cache=@0)"),
        ("21112-21114-21112-21114", "attention attention attention(keys=@0) attention(cache=@1)"),
        ("52211-11111-52211", "swiglu(2) short_conv(3) swiglu(2,weights=@0)"),
        ("51211-51211-52211-52211", "swiglu(2) swiglu(2,weights=@0) swiglu(2) swiglu(2,weights=@2)"),
        ("21214-21214", "attention attention(weights=@0,cache=@0)"),
        ("21214-21224", "attention attention(weights=@0)"),
        ("21111-21121-22111", "attention attention attention"),
        (
            "41214-41214",
            "attention(kv=1/4)-attention(kv=1/4) attention(kv=1/4,weights=@0,cache=@0)-attention(kv=1/4)",
        ),
    ],
)
def test_sharing_by_hand(text: str, layout: str) -> None:
    assert str(SHARED.decode(parse_genome(text))) == layout
    assert SHARED.decode(SHARED.encode(parse_layout(layout))) == parse_layout(layout)


def test_encoding_numbers_groups_as_they_come_and_says_none_where_nothing_is_shared() -> None:
    assert genome_text(SHARED.encode(SHARED.decode(parse_genome("21124-51211-21124"))), 5) == (
        "21114-51111-21114"
    )


@pytest.mark.parametrize(
    ("layout", "fragments"),
    [
        ("attention attention(keys=@0,values=@0)", ["block 0", "shares values and another"]),
        ("attention attention(keys=@0) attention(cache=@0)", ["block 0", "shares cache and another"]),
        (
            "2x[swiglu(2)] 2x[short_conv(3)] 2x[attention]",
            ["block 5", "group 3", "it has 2 groups"],
        ),
    ],
)
def test_sharing_that_no_genome_says_is_refused(layout: str, fragments: list[str]) -> None:
    message = refused(SHARED.encode, parse_layout(layout))
    assert all(fragment in message for fragment in ["space shared", *fragments])


def test_a_space_without_sharing_has_no_layout_that_shares() -> None:
    assert "it has no sharing" in refused(SMALL.encode, parse_layout("skip swiglu(2) swiglu(2,weights=@1)"))


@pytest.mark.parametrize(
    ("text", "cause", "fragments"),
    [
        ("11111", "length", ["space shared", "10 to 30 integers", "5 for each of 2 to 6 blocks", "found 5"]),
        ("71111-11111", "range", ["block 0: class 7", "legal: 1 to 6"]),
        ("11111-13111", "range", ["block 1: weights group 3", "legal: 1 to 2"]),
        ("11111-11311", "range", ["block 1: weights strategy 3 of class 1 (conv)", "legal: 1, 2"]),
        ("11111-11131", "range", ["block 1: feature group 3", "legal: 1 to 2"]),
        ("11111-11115", "range", ["block 1: feature strategy 5", "legal: 1"]),
        ("11111-51114", "sharing", ["block 1: feature strategy 4 of class 5 (feed_forward)", "legal: 1"]),
        ("61211-11111", "sharing", ["block 0: weights strategy 2 of class 6 (skip)", "legal: 1"]),
        ("12211-52211", "sharing", ["block 1: weights strategy 2 (weights) in group 2", "unlike block"]),
        ("21112-31112", "sharing", ["block 1: feature strategy 2 (keys) in group 1", "unlike block"]),
        ("21114-21214-21211", "sharing", ["block 2: weights strategy 2", "share cache too"]),
    ],
)
def test_refused_genes_of_sharing(text: str, cause: str, fragments: list[str]) -> None:
    with pytest.raises(IllegalGenome) as caught:
        SHARED.decode(parse_genome(text))
    assert caught.value.cause == cause
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.cause, again.block, again.gene) == (
        str(caught.value),
        cause,
        caught.value.block,
        caught.value.gene,
    )
