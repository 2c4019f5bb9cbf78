"""The 17 classes of STAR and their space."""

import numpy as np
import pytest

from genomes import (
    LIV_CLASSES,
    PRESETS,
    Scale,
    SearchSpace,
    Sharing,
    genome_text,
    parse_genome,
    random_genome,
)
from genomes.operators import Difference
from genomes.star import ChannelMixing, FeaturizerGenome, Nonlinearity, Sparsity, TokenMixing

SPACE = SearchSpace("liv", "", tuple(liv.letter for liv in LIV_CLASSES), 4, sharing=Sharing(3))


def test_the_alphabet_as_published() -> None:
    assert [liv.name for liv in LIV_CLASSES] == [
        *("SA-1", "SA-2", "SA-3", "SA-4", "Rec-1", "Rec-2", "GConv-1", "GConv-2", "GMemless"),
        *(f"Diff-{n}" for n in range(1, 9)),
    ]
    assert [liv.number for liv in LIV_CLASSES] == list(range(1, 18))
    assert [str(liv.operator) for liv in LIV_CLASSES[:9]] == (
        ["12123", "22123", "32123", "42123", "54111", "64111", "73111", "83111", "91142"]
    )


@pytest.mark.parametrize("liv", LIV_CLASSES, ids=lambda liv: liv.name)
def test_each_class_is_what_its_genomes_say(liv) -> None:
    (block,) = liv.letter.variants
    assert str(block) in (liv.layout, "s6", "s6-s6")
    operator = block.at(Scale(width=64, head_dim=16, context=64))
    parts = [operator.plus, operator.minus] if isinstance(operator, Difference) else [operator]
    assert liv.differential == (len(parts) == 2) == (liv.number > 9)
    assert len({part.model_dump_json() for part in parts}) == 1
    kinds = {
        TokenMixing.LOW_RANK: "attention",
        TokenMixing.SEMI_SEPARABLE: "recurrence",
        TokenMixing.TOEPLITZ: "convolution",
        TokenMixing.DIAGONAL: "memoryless",
    }
    assert operator.kind == kinds[liv.operator.token_mixing]
    assert (liv.operator.nonlinearity == Nonlinearity.SOFTMAX) == (operator.kind == "attention")
    assert liv.operator.sparsity == Sparsity.NONE
    assert isinstance(liv.operator.channel_mixing, ChannelMixing)
    assert all(isinstance(genome, FeaturizerGenome) and len(genome) == 6 for genome in liv.features.values())
    assert liv.note
    part = parts[0].model_dump()
    match operator.kind:
        case "attention":
            assert liv.features["k"].repeat * part["kv_heads"] == part["heads"]
            assert (part["conv"] == 3) == (liv.features["q"].token_mixing == TokenMixing.TOEPLITZ)
        case "recurrence":
            assert part["state_dim"] == liv.features["b"].expansion


def test_five_integers_a_block() -> None:
    assert SPACE.genes_per_block == 5
    layout = SPACE.decode(parse_genome("21211-31112-21221-32112"))
    assert str(layout) == (
        "attention(conv=3) attention(kv=1/4) attention(conv=3,weights=@0) attention(kv=1/4,keys=@1)"
    )
    assert genome_text(SPACE.encode(layout), 5) == "21211-31112-21211-31112"  # same meaning, plainest genes
    assert str(SPACE.decode(parse_genome("17.1.1.1.1-16.1.2.1.1-16.1.2.1.1-91111"))) == (
        "hyena(horizon=1/4)-hyena(horizon=1/4) short_conv(3)-short_conv(3) "
        "short_conv(3,weights=@1)-short_conv(3) swiglu(8/3)"
    )


def test_the_preset_is_made_of_the_classes() -> None:
    space = PRESETS["star"]
    assert [(c.name, *c.variants) for c in space.classes] == [
        (liv.name, *liv.letter.variants) for liv in LIV_CLASSES
    ]
    assert space.genes_per_block == 5
    genome = random_genome(space, np.random.default_rng(0))
    assert space.decode(genome).at(Scale(width=768, head_dim=64, context=4096)).blocks
