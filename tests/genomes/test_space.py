"""Search spaces: decoding and encoding are inverse, impossible ones are refused, presets fit scales."""

from itertools import product
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import (
    PRESETS,
    REFERENCES,
    BlockClass,
    Count,
    Genome,
    IllegalGenome,
    Layout,
    Recurrence,
    Scale,
    SearchSpace,
    Sharing,
    block_class,
    genome_text,
    parse_genome,
    parse_layout,
    preset,
    random_genome,
    reference,
)
from support.genome_strategies import genomes_of
from support.space_cases import HYBRID, LONG, REPEATED, SCALES, SHARED, SMALL, SPACES, STORED, refused

# Decoding and encoding


@settings(deadline=None)
@given(st.sampled_from(SPACES).flatmap(lambda space: st.tuples(st.just(space), genomes_of(space))))
def test_decoding_and_encoding_are_inverse(case: tuple[SearchSpace, Genome]) -> None:
    space, genome = case
    try:
        layout = space.decode(genome)
    except IllegalGenome as error:
        broken = [rule.broken_by(_spelt(space, genome)) for rule in space.rules]
        # A strategy that a block cannot have is told before the rules, what does not match after them.
        assert error.cause == "sharing" or any(problem and problem in str(error) for problem in broken)
        return
    assert not any(rule.broken_by(_spelt(space, genome)) for rule in space.rules)
    for text in (layout, parse_layout(str(layout))):
        assert space.decode(space.encode(text)) == layout
    if space.sharing is None:
        assert space.encode(layout) == genome
    if space.sharing is None and space.recurrence is None:
        assert layout.blocks == _spelt(space, genome).blocks


@settings(deadline=None)
@given(st.sampled_from(SPACES), st.integers(0, 2**32))
def test_random_genomes_survive_the_way_through_text_and_layout(space: SearchSpace, seed: int) -> None:
    genome = random_genome(space, np.random.default_rng(seed))
    text = space.text(genome)
    assert parse_genome(text) == genome
    assert (text == genome_text(genome, space.genes_per_block)) == (not space.stored.genes)
    assert len(space.units(genome)) in range(space.fewest, space.blocks + 1)
    layout = space.decode(genome)
    assert len(layout) == len(space.units(genome)) * (space.recurrence.times if space.recurrence else 1)
    assert space.decode(space.encode(layout)) == layout


def _spelt(space: SearchSpace, genome: Genome) -> Layout:
    """The blocks by their first genes, what they share and repeat left out."""
    variants = "variant" in space.gene_names
    pairs = ((unit[0], unit[1] if variants else 1) for unit in space.units(genome))
    return Layout(tuple(space.classes[letter - 1].variants[number - 1] for letter, number in pairs))


def test_decoding_by_hand() -> None:
    assert str(SMALL.decode((1, 2, 2, 1, 3, 1))) == "short_conv(4) swiglu(2) skip"
    assert SMALL.encode(parse_layout("skip swiglu(2) short_conv(3)")) == (3, 1, 2, 1, 1, 1)
    assert str(LONG.decode((11, 100, 1, 51))) == "swiglu(1199/100) swiglu(3/2)"


# Repetition


def test_runs_are_repeated_in_place_with_the_weights_of_their_first_pass() -> None:
    space = REPEATED.with_blocks(3)
    layout = space.decode(parse_genome("11111-51111-21111"))
    assert layout == parse_layout("3x[short_conv(3) swiglu(2)] 3x[attention]")
    shared = space.decode(parse_genome("31114-51211-31114"))
    assert str(shared.blocks[6]) == "attention(kv=1/4,cache=@0)"
    assert space.encode(shared) == parse_genome("31114-51111-31114")
    for text in ("short_conv(3) swiglu(2)", "3x[short_conv(3)] 3x[swiglu(2)]", "2x[attention]"):
        assert "space repeated" in refused(space.encode, parse_layout(text))


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
        ((1, 1, 2, 2, 1, 1), ["block 1", "variant 2 of class 2 (feed_forward)", "legal: 1 to 1"]),
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
    ruled = SearchSpace("ruled", "", SMALL.classes, 2, rules=(Count(("convolution",), at_least=1),))
    assert "0 convolution blocks; at least 1" in refused(ruled.encode, parse_layout("skip skip"))


# Spaces


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
        ({"blocks": 0}, ["blocks = 0", "legal: 1 to"]),
        ({"blocks": -3}, ["blocks = -3", "legal: 1 to"]),
        ({"min_blocks": 4}, ["min_blocks = 4", "legal: 1 to blocks = 3"]),
        ({"min_blocks": 0}, ["min_blocks = 0"]),
        ({"min_blocks": 1, "rules": (Count(("memoryless",), at_least=2),)}, ["blocks = 1", "at least 2"]),
        ({"sharing": Sharing(0)}, ["sharing.groups = 0", "legal: 1 or more"]),
        ({"recurrence": Recurrence(2, 0)}, ["times = 0"]),
        ({"recurrence": Recurrence(2, 4096)}, ["at most 4096 blocks"]),
        ({"classes": ()}, ["at least one variant"]),
        ({"classes": (BlockClass("none", ()),)}, ["at least one variant"]),
        ({"classes": (block_class("a", "skip", weight=-1),)}, ["weights = [-1]", "0 or more"]),
        ({"classes": (block_class("a", "skip", weight=0),)}, ["weights = [0]", "one above 0"]),
        ({"classes": (block_class("a", "skip", weight=nan),)}, ["weights = [nan]"]),
        ({"classes": (block_class("a", "skip", weight=inf),)}, ["weights = [inf]"]),
        ({"rules": (Count(("attention",), at_least=4),)}, ["blocks = 3", "at least 4 attention blocks"]),
        ({"rules": (Count(("attention",), at_least=2, at_most=1),)}, ["at least 2", "at most 1 attention"]),
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
    assert space_with(min_blocks=1).size == 4 + 16 + 64
    assert STORED.size == 6 * SMALL.size
    assert SHARED.size == sum((6 * 2 * 2 * 2 * 4) ** n for n in range(2, 7))


def test_with_blocks_keeps_everything_else() -> None:
    space = HYBRID.with_blocks(24)
    assert (space.blocks, space.classes, space.rules) == (24, HYBRID.classes, HYBRID.rules)
    assert "at least 2" in refused(HYBRID.with_blocks, 1)
    assert (SHARED.with_blocks(9).blocks, SHARED.with_blocks(9).min_blocks) == (9, 2)
    assert SHARED.with_blocks(1).min_blocks == 1
    assert SHARED.with_blocks(9, 4).min_blocks == 4


def test_genes_of_a_block() -> None:
    assert SMALL.gene_names == ("class", "variant")
    assert SHARED.gene_names == (
        "class",
        "weights group",
        "weights strategy",
        "feature group",
        "feature strategy",
    )
    assert SearchSpace("plain", "", SHARED.classes, 2).genes_per_block == 1
    assert SearchSpace("all", "", SMALL.classes, 2, sharing=Sharing(1)).genes_per_block == 6


# Scales


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", SCALES, ids=lambda s: f"{s.width}x{s.head_dim}")
def test_presets_have_whole_sizes_at_common_scales(name: str, scale: Scale) -> None:
    space, rng = preset(name), np.random.default_rng(0)
    space.check_scale(scale)
    for _ in range(10):
        layout = space.decode(random_genome(space, rng))
        blocks = scale.blocks and max(scale.blocks, len(layout))  # fewer may leave out a whole kind
        assert layout.at(scale.model_copy(update={"blocks": blocks})).fingerprint


def test_check_scale_names_every_variant_without_whole_sizes() -> None:
    message = refused(HYBRID.check_scale, Scale(width=48, head_dim=16, context=64))
    assert message.startswith("space hybrid: ")
    for arguments in ("kv=1/2,qk_norm", "kv=1/4,qk_norm", "kv=1/4,window=1/8", "kv=1/4,window=1/4"):
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
        assert all(block.alone == motif.blocks[i % len(motif)].alone for i, block in enumerate(layout))
        assert layout.at(scale).blocks
    assert reference(name).name == name
    assert "arXiv" in reference(name).source


@pytest.mark.parametrize(("call", "known"), [(preset, PRESETS), (reference, REFERENCES)])
def test_unknown_names_list_the_known(call, known: dict) -> None:
    message = refused(call, "nothing")
    assert "'nothing'" in message
    assert all(name in message for name in known)
