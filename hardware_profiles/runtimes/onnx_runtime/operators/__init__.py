"""The operators that are run: which writer writes a block."""

from genomes import (
    KDA,
    MLP,
    Attention,
    GatedDeltaNet,
    GatedLinearAttention,
    GeGLU,
    Hyena,
    HyenaX,
    LinearAttention,
    Mamba2,
    Operator,
    ShortConv,
    SwiGLU,
)
from hardware_profiles.runtimes.onnx_runtime.graph import Graph
from hardware_profiles.runtimes.onnx_runtime.operators import (
    attention,
    convolution,
    feed_forward,
    linear_attention,
)
from hardware_profiles.runtimes.onnx_runtime.operators.base import Place, Sequence

RUN = (
    "attention (not differential; head sizes and rotary sizes multiples of 16, of 8 without positions)",
    "short_conv",
    "hyena (explicit filter)",
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
    "skip",
)
"""What is run, for people."""


def misfit(block: Operator) -> str | None:
    """Why a block is not run; None where it is."""
    if taken := [share.what for share in block.shares if share.what != "weights"]:
        return f"shares {taken[0]} with another block"
    match block:
        case Attention():
            return attention.misfit(block)
        case Hyena():
            return convolution.misfit(block)
        case (
            ShortConv()
            | HyenaX()
            | LinearAttention()
            | GatedLinearAttention()
            | GatedDeltaNet()
            | KDA()
            | Mamba2()
            | SwiGLU()
            | GeGLU()
            | MLP()
        ):
            return None
    return None if block.kind == "skip" else "has no kernel"


def write_block(g: Graph, block: Operator, at: Place, x: str) -> str:
    """Nodes of a block that is no skip; the name of what it adds to the stream, `B T D`."""
    match block:
        case Attention():
            return attention.write(g, block, at, x)
        case ShortConv():  # Hyena-Y is one
            return convolution.write_short_conv(g, block, at, x)
        case HyenaX():  # Hyena is one
            return convolution.write_hyena(g, block, at, x)
        case LinearAttention():
            return linear_attention.write_linear_attention(g, block, at, x)
        case GatedLinearAttention():
            return linear_attention.write_gated_linear_attention(g, block, at, x)
        case GatedDeltaNet() | KDA():
            return linear_attention.write_delta_rule(g, block, at, x)
        case Mamba2():
            return linear_attention.write_mamba2(g, block, at, x)
        case SwiGLU() | GeGLU():
            return feed_forward.write_gated(g, block, at, x)
        case MLP():
            return feed_forward.write_mlp(g, block, at, x)
    raise AssertionError(f"{block.name} has no writer")


__all__ = ["RUN", "Place", "Sequence", "misfit", "write_block"]
