"""What candidates are stored in: its genes, its choices, and what is refused."""

from dataclasses import replace

import pytest

from genomes import (
    Genome,
    InvalidInput,
    Scale,
    StoredChoices,
    parse_genome,
)
from support.space_cases import SMALL, STORED, refused


@pytest.mark.parametrize(
    ("genome", "cause", "fragments"),
    [
        ((1, 1, 1, 1, 1, 1, 4, 1), "range", ["behind the blocks: weights 4", "1 to 3 (float32, int8, int4)"]),
        ((1, 1, 1, 1, 1, 1, 1, 0), "range", ["behind the blocks: cache 0", "1 to 2 (float16, int8)"]),
        ((1, 1, 1, 1, 1, 1), "length", ["8 integers (2 for each of 3 blocks, 2 for what it is stored in)"]),
        ((1, 1, 1, 1, 1, 1, 1), None, ["8 integers", "found 7"]),
        ((1,), None, ["found 1"]),
        ((), None, ["found 0"]),
    ],
    ids=str,
)
def test_refused_genes_of_what_is_stored(genome: Genome, cause: str | None, fragments: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        STORED.decode(genome)
    assert getattr(caught.value, "cause", None) == cause
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


def test_layouts_are_stored_as_the_space_lets_them() -> None:
    layout = STORED.decode(parse_genome("11-21-11/31"))
    assert str(layout) == "short_conv(3) swiglu(2) short_conv(3) weights=int4 cache=float16"
    assert (layout.weights, layout.cache) == ("int4", "float16")
    assert STORED.encode(layout) == parse_genome("11-21-11/31")
    for scale in (Scale(width=64, head_dim=16), Scale(width=512, head_dim=64, blocks=12)):
        architecture = layout.at(scale)
        assert (architecture.weights, architecture.cache) == ("int4", "float16")
    bare = replace(layout, weights=None, cache=None)
    assert SMALL.encode(bare) == parse_genome("11-21-11")
    assert "weights = None; legal: float32, int8, int4" in refused(STORED.encode, bare)
    other = replace(layout, cache="bfloat16")
    assert "cache = bfloat16; legal: float16, int8" in refused(STORED.encode, other)
    assert "weights = int4; legal: none" in refused(SMALL.encode, layout)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"weights": ("int3",)}, "weights = 'int3'; legal: float32, float16, bfloat16, int8, int4"),
        ({"cache": ("int4",)}, "cache = 'int4'; legal: float32, float16, bfloat16, int8"),
        ({"cache": ("int8", "int8")}, "cache: int8 is given twice"),
    ],
)
def test_choices_that_are_none_are_refused(choices: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        StoredChoices(**choices)
