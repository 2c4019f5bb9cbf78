"""Reference layouts and published models: valid at any number of blocks, true to what was published."""

import io
import re
from fractions import Fraction

import pytest
from rich.console import Console

from archsearch.cli.show import architectures as show
from genomes import (
    REFERENCES,
    Architecture,
    Block,
    InvalidInput,
    Scale,
    accounting,
    model,
    model_names,
    parse_layout,
    reference,
)

SCALES = [
    Scale(width=64, head_dim=16, context=64),
    Scale(width=128, head_dim=16, vocab_size=4096, context=4096),
    Scale(width=512, head_dim=64, blocks=16, context=4096),
    Scale(width=1024, head_dim=64, blocks=32, vocab_size=65536, context=4096),
    Scale(width=2048, head_dim=128, blocks=48, repeat="stack", context=4096),
]


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("blocks", [1, 8, 13, 29])
def test_motifs_are_cycled_whole(name: str, blocks: int) -> None:
    motif = parse_layout(reference(name).motif).blocks
    layout = reference(name).layout(blocks)
    assert len(layout) == max(blocks, len(motif))
    for index, block in enumerate(layout):
        original, start = motif[index % len(motif)], index // len(motif) * len(motif)
        assert block.alone == original.alone
        assert [share.donor - start for share in block.shares] == [share.donor for share in original.shares]
    assert parse_layout(str(layout)) == layout


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("scale", SCALES, ids=lambda s: f"{s.width}x{s.head_dim}-{s.repeat}")
def test_references_have_whole_sizes_at_common_scales(name: str, scale: Scale) -> None:
    for blocks in (1, 8, 13):
        layout = reference(name).layout(blocks)
        assert len(layout.at(scale).blocks) == (scale.blocks or len(layout))


def test_references_name_their_source() -> None:
    for known in REFERENCES.values():
        assert "arXiv" in known.source
        assert reference(known.name) is known


def test_unknown_names_list_the_known() -> None:
    for call, names in ((reference, list(REFERENCES)), (model, model_names())):
        with pytest.raises(InvalidInput) as caught:
            call("gpt-5")
        assert all(name in str(caught.value) for name in ["'gpt-5'", *names])


def test_motifs_are_listed_as_they_are_written() -> None:
    console = Console(width=200, file=io.StringIO())
    show.architectures(None, console)
    assert isinstance(console.file, io.StringIO)
    listed = re.sub(r"[\s│]+", "", console.file.getvalue())
    assert "2x[attention(kv=1/4)swiglu(8/3)]" in listed


# What was published


def blocks(name: str, count: int = 1) -> list[Block]:
    return list(reference(name).layout(count))


def counts(name: str) -> list[int]:
    """How many attention, recurrence, convolution and memoryless blocks the motif has."""
    kinds = [block.operator.kind for block in blocks(name)]
    return [kinds.count(kind) for kind in ("attention", "recurrence", "convolution", "memoryless")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lfm2", [1, 0, 2, 3]),
        ("hyena-edge", [1, 0, 2, 3]),  # two thirds of the attention are replaced
        ("striped-hyena", [1, 0, 1, 2]),
        ("griffin", [1, 2, 0, 3]),
        ("nemotron-h", [1, 6, 0, 6]),  # a quarter of 4, 24 and 24
        ("qwen3-next", [1, 3, 0, 4]),
        ("kimi-linear", [1, 3, 0, 4]),
    ],
)
def test_proportions_are_the_published_ones(name: str, expected: list[int]) -> None:
    assert counts(name) == expected


def test_nemotron_h_has_four_such_motifs() -> None:
    letters = {"mamba2": "M", "attention": "*", "mlp": "-"}
    pattern = "".join(letters[block.op] for block in blocks("nemotron-h", 52))
    published = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
    assert len(published) == 52
    assert [pattern.count(letter) for letter in "M*-"] == [published.count(letter) for letter in "M*-"]
    assert pattern[:13] == published[:13]


def test_mobilellm_owns_half_of_its_layers() -> None:
    shared = reference("mobilellm").layout(16)
    assert [[share.donor for share in block.shares] for block in list(shared)[4:8]] == [[], [], [4], [5]]

    def parameters(layout: str) -> int:
        found: Architecture = parse_layout(layout).at(Scale(width=64, head_dim=16))
        return sum(block.parameters(64) for block in found.blocks)

    once = "attention(kv=1/4) swiglu(8/3) " * 4
    assert parameters(str(shared)) == parameters(once)


def test_as_much_of_the_experts_of_qwen3_next_works_as_published() -> None:
    """10 experts and a shared one of 512 channels each, at width 2048."""
    experts = [dict(block.settings) for block in blocks("qwen3-next") if block.op == "moe"]
    assert len(experts) == 4
    for settings in experts:
        assert settings["top"] * settings["ratio"] + settings["shared"] == Fraction(11 * 512, 2048)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lfm2-350m", 354_483_968),
        ("lfm2-1.2b", 1_170_340_608),
        ("llama-3.2-1b", 1_235_814_400),
        ("qwen3-1.7b", 1_720_574_976),
    ],
)
def test_published_models_are_exact_to_their_parameters(name: str, parameters: int) -> None:
    assert name in model_names()
    assert accounting.parameters(model(name)) == parameters
