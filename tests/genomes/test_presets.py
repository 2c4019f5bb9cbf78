"""Presets: built at both scales, random genomes legal, references inside, sizes counted, shown in full."""

import doctest
import io
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from rich.console import Console

from archsearch.cli.show import spaces as show_spaces
from genomes import (
    PRESETS,
    REFERENCES,
    InvalidInput,
    Layout,
    Scale,
    SearchSpace,
    parse_genome,
    parse_layout,
    preset,
    random_genome,
    reference,
)
from genomes.deployment import loaded_as
from genomes.genome import IllegalGenome
from genomes.operators import BUILT_IN, Difference
from genomes.transfer import check_spans, check_twins, shortest_length
from support import ROOT

PROXY = Scale(width=64, head_dim=16, context=64)
TARGET = Scale(width=1024, head_dim=64, vocab_size=65536, context=4096)
DOCS = ROOT / "docs" / "spaces.md"

INSIDE = {
    "hybrid": {"lfm2"},
    "star": {"transformer++"},
    "hyena-edge": {"transformer++", "hyena-edge"},
    "lfm2": {"lfm2"},
    "mad": {"transformer++", "striped-hyena", "gla"},
    "composer": {"llama"},
    "mobilellm": {"mobilellm"},
    "griffin": {"griffin"},
    "nemotron-h": {"nemotron-h"},
    "qwen3-next": {"qwen3-next"},
    "everything": {"transformer++", "lfm2", "mobilellm", "griffin", "qwen3-next", "kimi-linear"},
}
"""The references of each preset that it contains; the others are what it has to beat."""


def reference_layout(space: SearchSpace, name: str) -> Layout:
    """A reference with as many blocks as the layouts of a space have."""
    return reference(name).layout(space.blocks * (space.recurrence.times if space.recurrence else 1))


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", [PROXY, TARGET], ids=["proxy", "target"])
def test_every_variant_is_built_at_both_scales(name: str, scale: Scale) -> None:
    space = preset(name)
    space.check_scale(scale)
    for variant in (variant for letter in space.classes for variant in letter.variants):
        architecture = Layout((variant, *parse_layout("swiglu(4)"))).at(scale)
        assert len(architecture.blocks) == 1 + (variant.op != "skip")


@pytest.mark.parametrize("name", PRESETS)
def test_random_genomes_are_legal_and_built(name: str) -> None:
    space, rng = preset(name), np.random.default_rng(0)
    for _ in range(10):
        genome = random_genome(space, rng)
        layout = space.decode(genome)
        assert space.decode(space.encode(layout)) == layout
        for scale in (PROXY, TARGET):
            assert layout.at(scale).fingerprint


@pytest.mark.parametrize("name", PRESETS)
def test_presets_contain_their_references(name: str) -> None:
    space = preset(name)
    assert space.references, "what is known to be good is trained beside the candidates"
    inside = set()
    for known in space.references:
        layout = reference_layout(space, known)
        for scale in (PROXY, TARGET):
            assert layout.at(scale).fingerprint
        try:
            assert space.decode(space.encode(layout)) == layout
        except InvalidInput:
            continue
        inside.add(known)
    assert inside == INSIDE[name]


@pytest.mark.parametrize("name", PRESETS)
def test_size_is_the_count_of_genomes(name: str) -> None:
    """Of one block, and of one or two, rules left out: they are not counted."""
    space = replace(preset(name), rules=(), recurrence=None, blocks=1, min_blocks=None)
    if space.sharing is not None:
        space = replace(space, sharing=replace(space.sharing, groups=2))
    genomes = [genome for genome in all_units(space) if spelt(space, genome)]
    assert space.size == len(genomes)
    if len(genomes) < 100:
        assert replace(space, blocks=2, min_blocks=1).size == len(genomes) + len(genomes) ** 2


def all_units(space: SearchSpace) -> list[tuple[int, ...]]:
    """All genes of one block that are no larger than a gene of this space can be."""
    variants = max(len(letter.variants) for letter in space.classes)
    ends = {"class": len(space.classes), "variant": variants, "weights strategy": 2, "feature strategy": 4}
    return list(product(*(range(1, ends.get(gene, 2) + 1) for gene in space.gene_names)))


def spelt(space: SearchSpace, genome: tuple[int, ...]) -> bool:
    """Whether the genes are in range; what an operator cannot share is counted too."""
    try:
        space.decode(genome)
    except IllegalGenome as error:
        return error.cause == "sharing"
    return True


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_trained_is_what_is_priced(name: str) -> None:
    """At the default scales; the filters that Hyena Edge was published with need longer sequences."""
    variants = preset(name).variants
    length = shortest_length(variants.values())
    assert (length <= PROXY.context) == (name != "hyena-edge")
    length = max(length, PROXY.context)
    check_spans(variants, length)
    check_twins(variants, PROXY.model_copy(update={"context": length}), TARGET)
    for known in preset(name).references:
        check_spans({str(block): block for block in reference_layout(preset(name), known)}, length)


def test_griffins_window_at_the_target_is_the_published_one() -> None:
    assert {b.window for b in reference("griffin").layout(6).at(TARGET).blocks if b.name == "attention"} == {
        1024
    }


def test_the_hybrid_alphabet_does_not_change() -> None:
    """Journals of runs hold genomes: their digits keep their classes."""
    assert [" ".join(map(str, letter.variants)) for letter in preset("hybrid").classes] == [
        "attention(qk_norm=yes) attention(kv=1/2,qk_norm=yes) attention(kv=1/4,qk_norm=yes)",
        "attention(kv=1/4,window=1/8,qk_norm=yes) attention(kv=1/4,window=1/4,qk_norm=yes)",
        "short_conv(3) short_conv(4) short_conv(7)",
        "rg_lru",
        "gated_linear_attention gated_linear_attention(key=1)",
        "mamba2(state=1) mamba2",
        "swiglu(2) swiglu(8/3) swiglu(4)",
        "skip",
    ]
    layout = preset("hybrid").decode(parse_genome("31-73-31-73-13-73-81-62"))
    assert str(layout) == (
        "short_conv(3) swiglu(4) short_conv(3) swiglu(4) attention(kv=1/4,qk_norm=yes) swiglu(4) skip mamba2"
    )


def test_the_star_space_is_that_of_the_paper() -> None:
    star = preset("star")
    assert (len(star.classes), star.blocks, star.genes_per_block) == (17, 24, 5)
    assert sum(variant.minus is not None for letter in star.classes for variant in letter.variants) == 8


def test_everything_has_every_built_in_operator() -> None:
    variants = [variant for letter in preset("everything").classes for variant in letter.variants]
    assert any(variant.minus is not None for variant in variants)
    assert {variant.op for variant in variants} == {op.name for op in BUILT_IN if op is not Difference}


@pytest.mark.parametrize("name", REFERENCES)
def test_everything_has_every_reference(name: str) -> None:
    layout = reference(name).layout(12)
    space = preset("everything").with_blocks(len(layout))
    assert space.decode(space.encode(layout)) == layout


def test_layers_of_one_size_are_what_nemotron_h_deploys() -> None:
    space = preset("nemotron-h")
    mixed = parse_layout("mamba2(state=1) mlp(4,relu2=yes) mamba2(state=2) attention(kv=1/4,rope=no)")
    with pytest.raises(InvalidInput, match="state"):
        space.with_blocks(4).encode(mixed)
    for seed in range(5):
        layout = space.decode(random_genome(space, np.random.default_rng(seed)))
        assert set(loaded_as(layout, TARGET).values()) == {"NemotronHForCausalLM"}


@pytest.mark.parametrize("name", PRESETS)
def test_descriptions_name_their_source_first(name: str) -> None:
    first = preset(name).description.partition(". ")[0]
    assert first.endswith((")", ").")), first
    assert re.search(r"\(.*(\d{4}\.\d{5}|20\d\d|cites its source)", first), first


# What the command line shows


def shown(name: str | None) -> str:
    console = Console(width=100, file=io.StringIO())
    show_spaces.spaces(name, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_list_names_all_presets() -> None:
    assert [name for name in PRESETS if f"│ {name} " not in shown(None)] == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_shown_in_full(name: str) -> None:
    space, text = preset(name), shown(name)
    assert f"{space.size:,}" in text
    assert f"budget.length: at least {shortest_length(space.variants.values())} tokens" in text
    for gene in space.gene_names:
        assert f"│ {gene} " in text
    flat = re.sub(r"[\s│]+", "", text)
    for letter in space.classes:
        assert letter.name in text
        for variant in letter.variants:
            assert str(variant) in flat
    for rule in space.rules:
        assert f"rule: {rule.text}" in text
    assert f"references: {', '.join(space.references)}" in text
    genome, _, layout = text.partition("a random genome: ")[2].partition("its layout: ")
    assert space.decode(parse_genome(genome)) == parse_layout(layout)


def test_an_unknown_preset_names_the_known() -> None:
    with pytest.raises(InvalidInput) as caught:
        shown("outer")
    assert "'outer'" in str(caught.value)
    assert all(name in str(caught.value) for name in PRESETS)


# The page


def test_the_examples_of_the_page_run() -> None:
    failed, tried = doctest.testfile(str(DOCS), module_relative=False)
    assert tried > 10
    assert failed == 0


def test_the_page_lists_all_presets_with_their_sources() -> None:
    page = DOCS.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", page, flags=re.MULTILINE))
    assert list(rows) == list(PRESETS)
    for name, row in rows.items():
        first = preset(name).description.partition(". ")[0]
        for number in re.findall(r"\d{4}\.\d{5}", first):
            assert number in row
        for known in preset(name).references:
            assert (known in row) or known == "transformer++"
