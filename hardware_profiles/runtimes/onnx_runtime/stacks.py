"""The stacks by which onnxruntime is calibrated: each block stands alone, since any order of blocks is
run."""

from genomes import Architecture, Operator, SwiGLU

LAYOUTS: tuple[str, ...] = (
    "attention(kv=1/4)",
    "attention",
    "attention(kv=1/4,window=256)",
    "short_conv",
    "hyena(filter=32)",
    "hyena_x",
    "hyena_y",
    "linear_attention",
    "gated_linear_attention",
    "gated_deltanet",
    "kda",
    "mamba2",
    "swiglu",
    "geglu",
    "mlp",
)
"""Blocks that are measured, as layouts write them; those of an operator are fitted together."""

_SMALLEST = SwiGLU(hidden=32)


def stack(block: Operator | None, width: int, vocab_size: int, copies: int) -> Architecture:
    """So many of a block, or (None) of the smallest."""
    return Architecture(width=width, vocab_size=vocab_size, blocks=(block or _SMALLEST,) * copies)
