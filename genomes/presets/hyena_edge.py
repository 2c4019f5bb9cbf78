"""The space that Hyena Edge was found in."""

from genomes.rules import Alternate, Count
from genomes.space import SearchSpace, block_class

LENGTHS = (3, 7, 16, 32, 64, 128)

HYENA_EDGE = SearchSpace(
    name="hyena-edge",
    description=(
        "Convolutions of three kinds, grouped-query attention and SwiGLU in layers of a mixer and a "
        "feed-forward (Hyena Edge: Liquid AI, 'Convolutional multi-hybrids for edge devices', 2025). Filters "
        "of 3 to 128 tokens, key/value heads and feed-forward widths vary; the published text names the "
        "ranges, the steps in between are ours. Hyena also has its implicit filter. Sequences of 512 tokens "
        "and more have room for the longest filters."
    ),
    classes=(
        block_class("hyena", "hyena(horizon=1/4)", *(f"hyena(filter={length})" for length in LENGTHS)),
        block_class("hyena_x", *(f"hyena_x({length})" for length in LENGTHS)),
        block_class("hyena_y", *(f"hyena_y({length})" for length in LENGTHS)),
        block_class("attention", "attention", "attention(kv=1/2)", "attention(kv=1/4)"),
        block_class("swiglu", "swiglu(2)", "swiglu(8/3)", "swiglu(4)", weight=4.0),
    ),
    blocks=12,
    rules=(Alternate(), Count(kinds=("attention",), at_least=1)),
    references=("transformer++", "hyena-edge", "striped-hyena"),
)
