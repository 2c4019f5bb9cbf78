"""Small search spaces, common scales, and the message of a refusal."""

from dataclasses import replace
from fractions import Fraction

import pytest

from genomes import (
    PRESETS,
    Block,
    BlockClass,
    InvalidInput,
    Recurrence,
    Scale,
    SearchSpace,
    Sharing,
    StoredChoices,
    block_class,
    preset,
)

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
    Scale(width=64, head_dim=16, context=64),
    Scale(width=128, head_dim=16, vocab_size=4096, context=4096),
    Scale(width=128, head_dim=32, context=4096),
    Scale(width=256, head_dim=32, context=4096),
    Scale(width=512, head_dim=64, blocks=16, context=4096),
    Scale(width=768, head_dim=64, blocks=24, repeat="stack", vocab_size=50304, context=4096),
    Scale(width=1024, head_dim=64, blocks=32, vocab_size=65536, context=4096),
    Scale(width=2048, head_dim=64, blocks=32, vocab_size=65536, context=4096),
    Scale(width=2048, head_dim=128, blocks=32, repeat="stack", vocab_size=128256, context=4096),
    Scale(width=4096, head_dim=128, blocks=64, vocab_size=128256, context=4096),
]


SHARED = SearchSpace(
    name="shared",
    description="one variant a class, so five genes a block",
    classes=(
        block_class("conv", "short_conv(3)"),
        block_class("attention", "attention"),
        block_class("grouped", "attention(kv=1/4)"),
        block_class("difference", "attention(kv=1/4)-attention(kv=1/4)"),
        block_class("feed_forward", "swiglu(2)"),
        block_class("skip", "skip"),
    ),
    blocks=6,
    min_blocks=2,
    sharing=Sharing(groups=2),
)
REPEATED = SearchSpace(
    name="repeated",
    description="runs of two blocks, three times each",
    classes=SHARED.classes,
    blocks=5,
    min_blocks=1,
    sharing=Sharing(groups=3),
    recurrence=Recurrence(group=2, times=3),
)
STORED = replace(SMALL, name="stored", stored=StoredChoices(("float32", "int8", "int4"), ("float16", "int8")))
SPACES = [SMALL, LONG, SHARED, REPEATED, STORED, *PRESETS.values()]


def refused(call, *arguments: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        call(*arguments)
    return str(caught.value)
