"""Search spaces: decoding and encoding are inverse, genome text reads back, presets fit common scales."""

from fractions import Fraction
from itertools import product
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import (
    PRESETS,
    REFERENCES,
    Block,
    BlockClass,
    InvalidInput,
    Layout,
    Rule,
    Scale,
    SearchSpace,
    genome_text,
    parse_genome,
    parse_layout,
    preset,
    random_genome,
    reference,
)
from genomes.space import block_class

HYBRID = preset("hybrid")
SMALL = SearchSpace(
    name="small",
    description="three letters",
    classes=(
        block_class("conv", "short_conv(3)", "short_conv(4)"),
        block_class("feed_forward", "swiglu(2)"),
        block_class("skip", "skip"),
    ),
    blocks=3,
)
LONG = SearchSpace(
    name="long",
    description="eleven letters of a hundred variants",
    classes=tuple(
        BlockClass(
            f"swiglu{letter}",
            tuple(
                Block.of("swiglu", {"ratio": Fraction(letter) + Fraction(number, 100)})
                for number in range(100)
            ),
        )
        for letter in range(1, 12)
    ),
    blocks=2,
)

SCALES = [
    Scale(width=64, head_dim=16),
    Scale(width=128, head_dim=16, vocab_size=4096),
    Scale(width=128, head_dim=32),
    Scale(width=256, head_dim=32),
    Scale(width=512, head_dim=64, blocks=16),
    Scale(width=768, head_dim=64, blocks=24, repeat="stack", vocab_size=50304),
    Scale(width=1024, head_dim=64, blocks=32, vocab_size=65536),
    Scale(width=2048, head_dim=64, blocks=32, vocab_size=65536),
    Scale(width=2048, head_dim=128, blocks=32, repeat="stack", vocab_size=128256),
    Scale(width=4096, head_dim=128, blocks=64, vocab_size=128256),
]


def genomes_of(space: SearchSpace) -> st.SearchStrategy[tuple[int, ...]]:
    """Genomes in range; rules may be broken."""
    unit = st.integers(1, len(space.classes)).flatmap(
        lambda letter: st.tuples(st.just(letter), st.integers(1, len(space.classes[letter - 1].variants)))
    )
    return st.lists(unit, min_size=space.blocks, max_size=space.blocks).map(lambda u: tuple(sum(u, ())))


def refused(call, *arguments: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        call(*arguments)
    return str(caught.value)


# Decoding and encoding


@settings(deadline=None)
@given(st.sampled_from([SMALL, LONG, HYBRID]).flatmap(lambda s: st.tuples(st.just(s), genomes_of(s))))
def test_decoding_and_encoding_are_inverse(case: tuple[SearchSpace, tuple[int, ...]]) -> None:
    space, genome = case
    try:
        layout = space.decode(genome)
    except InvalidInput as error:
        broken = [rule.broken_by(_spelt(space, genome)) for rule in space.rules]
        assert any(problem and problem in str(error) for problem in broken)
        return
    assert layout == _spelt(space, genome)
    assert not any(rule.broken_by(layout) for rule in space.rules)
    assert space.encode(layout) == genome
    assert space.encode(parse_layout(str(layout))) == genome


def _spelt(space: SearchSpace, genome: tuple[int, ...]) -> Layout:
    pairs = zip(genome[::2], genome[1::2], strict=True)
    return Layout(tuple(space.classes[letter - 1].variants[number - 1] for letter, number in pairs))


def test_decoding_by_hand() -> None:
    assert str(SMALL.decode((1, 2, 2, 1, 3, 1))) == "short_conv(4) swiglu(2) skip"
    assert SMALL.encode(parse_layout("skip swiglu(2) short_conv(3)")) == (3, 1, 2, 1, 1, 1)
    assert str(LONG.decode((11, 100, 1, 51))) == "swiglu(1199/100) swiglu(3/2)"


def test_no_two_genes_of_a_preset_mean_the_same() -> None:
    for space in PRESETS.values():
        variants = [variant for letter in space.classes for variant in letter.variants]
        assert len(set(variants)) == len(variants)
        assert len({letter.name for letter in space.classes}) == len(space.classes)


@pytest.mark.parametrize(
    ("genome", "fragments"),
    [
        ((), ["space small", "6 integers", "found 0"]),
        ((1, 1, 1, 1), ["space small", "6 integers", "3 blocks", "found 4"]),
        ((1, 1, 1, 1, 1), ["found 5"]),
        ((1, 1, 4, 1, 1, 1), ["block 1", "class 4", "legal: 1 to 3"]),
        ((0, 1, 1, 1, 1, 1), ["block 0", "class 0", "legal: 1 to 3"]),
        ((1, 1, 1, 1, -1, 1), ["block 2", "class -1", "legal: 1 to 3"]),
        ((1, 3, 1, 1, 1, 1), ["block 0", "variant 3", "class 1 (conv)", "legal: 1 to 2"]),
        ((1, 1, 2, 2, 1, 1), ["block 1", "variant 2", "class 2 (feed_forward)", "legal: 1 to 1"]),
        ((1, 1, 1, 1, 3, 0), ["block 2", "variant 0", "class 3 (skip)", "legal: 1 to 1"]),
    ],
    ids=str,
)
def test_refused_genomes_name_block_gene_value_and_what_is_legal(genome, fragments) -> None:
    message = refused(SMALL.decode, genome)
    for fragment in fragments:
        assert fragment in message


def test_encoding_refuses_what_decoding_would() -> None:
    outside = refused(SMALL.encode, parse_layout("skip attention skip"))
    assert "block 1 (attention) is not in space small" in outside
    assert "short_conv(3), short_conv(4), swiglu(2), skip" in outside
    assert "has 3 blocks; found 2" in refused(SMALL.encode, parse_layout("skip skip"))
    ruled = SearchSpace("ruled", "", SMALL.classes, 2, (Rule(("convolution",), at_least=1),))
    assert "0 convolution blocks; at least 1" in refused(ruled.encode, parse_layout("skip skip"))


# Genome text


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), min_size=1, max_size=40))
def test_genome_text_reads_back(units: list[tuple[int, int]]) -> None:
    genome = tuple(gene for unit in units for gene in unit)
    assert parse_genome(genome_text(genome)) == genome
    assert parse_genome(f" {genome_text(genome)}\n") == genome


@pytest.mark.parametrize(
    ("genome", "text"),
    [
        ((1, 1, 6, 2, 3, 1, 6, 1), "11-62-31-61"),
        ((1, 12), "1.12"),
        ((12, 1), "12.1"),
        ((10, 10, 9, 9), "10.10-99"),
    ],
)
def test_genome_text_by_hand(genome: tuple[int, ...], text: str) -> None:
    assert genome_text(genome) == text
    assert parse_genome(text) == genome


@pytest.mark.parametrize(
    ("text", "index", "found"),
    [
        ("", 0, "''"),
        ("11-", 1, "''"),
        ("11--11", 1, "''"),
        ("1", 0, "'1'"),
        ("112", 0, "'112'"),
        ("11-1.2.3", 1, "'1.2.3'"),
        ("11-1.", 1, "'1.'"),
        ("11-ab", 1, "'ab'"),
        ("11-+1", 1, "'+1'"),
        ("11 12", 0, "'11 12'"),
        ("11-1.1_0", 1, "'1.1_0'"),
        ("11-\N{ARABIC-INDIC DIGIT ONE}1", 1, "expected 2 digits"),
        ("11-1\N{SUPERSCRIPT TWO}", 1, "expected 2 digits"),
        ("1." + "9" * 5000, 0, "'1.999"),
    ],
)
def test_refused_genome_text_names_the_block(text: str, index: int, found: str) -> None:
    message = refused(parse_genome, text)
    assert message.startswith(f"genome block {index}: ")
    assert found in message


# Rules and spaces


def test_rules_count_kinds() -> None:
    layout = parse_layout("attention attention(kv=1/2) rg_lru swiglu(4) skip")
    assert Rule(("attention",), at_least=2, at_most=2).broken_by(layout) is None
    assert Rule(("attention", "recurrence"), at_least=3, at_most=3).broken_by(layout) is None
    assert Rule(("convolution",), at_most=0).broken_by(layout) is None
    assert Rule(("attention",), at_least=3).broken_by(layout) == "2 attention blocks; at least 3 are needed"
    assert Rule(("attention", "recurrence"), at_most=2).broken_by(layout) == (
        "3 attention or recurrence blocks; at most 2 are allowed"
    )


def test_decoding_holds_the_rules() -> None:
    assert "0 memoryless blocks; at least 1 are needed" in refused(HYBRID.decode, (3, 1) * 8)
    assert "0 attention or recurrence or convolution" in refused(HYBRID.decode, (7, 1) * 8)
    assert HYBRID.decode((3, 1) * 2 + (7, 1) * 6)


def space_with(**changes: object) -> SearchSpace:
    fields = {"name": "mine", "description": "", "classes": SMALL.classes, "blocks": 3} | changes
    return SearchSpace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"blocks": 0}, ["blocks = 0", "at least 1"]),
        ({"blocks": -3}, ["blocks = -3", "at least 1"]),
        ({"classes": ()}, ["at least one variant"]),
        ({"classes": (BlockClass("none", ()),)}, ["at least one variant"]),
        ({"classes": (block_class("a", "skip", weight=-1),)}, ["weights = [-1]", "0 or more"]),
        ({"classes": (block_class("a", "skip", weight=0),)}, ["weights = [0]", "one above 0"]),
        ({"classes": (block_class("a", "skip", weight=nan),)}, ["weights = [nan]"]),
        ({"classes": (block_class("a", "skip", weight=inf),)}, ["weights = [inf]"]),
        ({"rules": (Rule(("attention",), at_least=4),)}, ["blocks = 3", "at least 4 attention blocks"]),
        ({"rules": (Rule(("attention",), at_least=2, at_most=1),)}, ["at least 2", "at most 1 attention"]),
    ],
    ids=str,
)
def test_impossible_spaces_are_refused(changes: dict, fragments: list[str]) -> None:
    message = refused(lambda: space_with(**changes))
    assert message.startswith("space mine: ")
    for fragment in fragments:
        assert fragment in message


def test_repeated_variants_are_refused() -> None:
    assert "repeated variants: swiglu(1/2)" in refused(block_class, "a", "swiglu(1/2)", "swiglu(0.5)")


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_size_counts_genomes(blocks: int) -> None:
    space = SMALL.with_blocks(blocks)
    units = [(1, 1), (1, 2), (2, 1), (3, 1)]
    decoded = {space.decode(sum(genome, ())) for genome in product(units, repeat=blocks)}
    assert space.size == len(decoded) == 4**blocks
    assert SMALL.size == 64


def test_with_blocks_keeps_everything_else() -> None:
    space = HYBRID.with_blocks(24)
    assert (space.blocks, space.classes, space.rules) == (24, HYBRID.classes, HYBRID.rules)
    assert "at least 2" in refused(HYBRID.with_blocks, 1)


# Scales


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", SCALES, ids=lambda s: f"{s.width}x{s.head_dim}")
def test_presets_have_whole_sizes_at_common_scales(name: str, scale: Scale) -> None:
    space, rng = preset(name), np.random.default_rng(0)
    space.check_scale(scale)
    for _ in range(10):
        layout = space.decode(random_genome(space, rng))
        assert layout.at(scale).fingerprint


def test_check_scale_names_every_variant_without_whole_sizes() -> None:
    message = refused(HYBRID.check_scale, Scale(width=48, head_dim=16))
    assert message.startswith("space hybrid: ")
    for arguments in ("kv=1/2,qk_norm", "kv=1/4,qk_norm", "kv=1/4,window=16", "kv=1/4,window=32"):
        assert f"attention({arguments}" in message
    assert "swiglu" not in message
    assert message.count("at width 48, head_dim 16") == 4


# References


@pytest.mark.parametrize("name", ["lfm2", "gla"])
def test_references_inside_the_hybrid_space(name: str) -> None:
    layout = reference(name).layout(HYBRID.blocks)
    assert HYBRID.decode(HYBRID.encode(layout)) == layout


@pytest.mark.parametrize("name", PRESETS)
def test_references_of_presets_exist(name: str) -> None:
    assert set(preset(name).references) <= set(REFERENCES)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("scale", SCALES, ids=lambda s: f"{s.width}x{s.head_dim}")
def test_references_have_whole_sizes_at_common_scales(name: str, scale: Scale) -> None:
    motif = parse_layout(reference(name).motif)
    for blocks in (1, 8, 13):
        layout = reference(name).layout(blocks)
        assert len(layout) == max(blocks, len(motif))
        assert all(block == motif.blocks[i % len(motif)] for i, block in enumerate(layout))
        assert layout.at(scale).blocks
    assert reference(name).name == name
    assert "arXiv" in reference(name).source


@pytest.mark.parametrize(("call", "known"), [(preset, PRESETS), (reference, REFERENCES)])
def test_unknown_names_list_the_known(call, known: dict) -> None:
    message = refused(call, "nothing")
    assert "'nothing'" in message
    assert all(name in message for name in known)
