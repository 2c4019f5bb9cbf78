"""The operators that are written as ONNX: one table of their writers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from genomes import (
    KDA,
    MLP,
    Attention,
    GatedDeltaNet,
    GatedLinearAttention,
    GeGLU,
    Hyena,
    HyenaX,
    HyenaY,
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

Written = TypeVar("Written", bound=Operator)


@dataclass(frozen=True)
class Writer:
    """How an operator is written."""

    write: Callable[[Graph, Any, Place, str], str]
    """Nodes of a block; the name of what it adds to the stream, `B T D`."""
    misfit: Callable[[Any], str | None]
    """Why a block is not written; None where it is."""
    only: str
    """What it is restricted to, for people; empty where every block is written."""


def _written(
    operator: type[Written],
    write: Callable[[Graph, Written, Place, str], str],
    misfit: Callable[[Written], str | None] = lambda _: None,
    only: str = "",
) -> tuple[type[Operator], Writer]:
    return operator, Writer(write, misfit, only)


WRITERS: dict[type[Operator], Writer] = dict(
    (
        _written(Attention, attention.write, attention.misfit, attention.ONLY),
        _written(ShortConv, convolution.write_short_conv),
        _written(Hyena, convolution.write_hyena, convolution.misfit, "explicit filter"),
        _written(HyenaX, convolution.write_hyena),
        _written(HyenaY, convolution.write_short_conv),
        _written(LinearAttention, linear_attention.write_linear_attention),
        _written(GatedLinearAttention, linear_attention.write_gated_linear_attention),
        _written(GatedDeltaNet, linear_attention.write_delta_rule),
        _written(KDA, linear_attention.write_delta_rule),
        _written(Mamba2, linear_attention.write_mamba2),
        _written(SwiGLU, feed_forward.write_gated),
        _written(GeGLU, feed_forward.write_gated),
        _written(MLP, feed_forward.write_mlp),
    )
)
"""The writer of each operator."""

RUN = (*(f"{o.name} ({w.only})" if w.only else o.name for o, w in WRITERS.items()), "skip")
"""What is written, for people."""


def misfit(block: Operator) -> str | None:
    """Why a block is not written; None where it is."""
    if taken := [share.what for share in block.shares if share.what != "weights"]:
        return f"shares {taken[0]} with another block"
    if block.kind == "skip":
        return None
    writer = WRITERS.get(type(block))
    return writer.misfit(block) if writer else "has no writer"


def write_block(g: Graph, block: Operator, at: Place, x: str) -> str:
    """Nodes of a block that is no skip; the name of what it adds to the stream, `B T D`."""
    return WRITERS[type(block)].write(g, block, at, x)


__all__ = ["RUN", "WRITERS", "Place", "Sequence", "Writer", "misfit", "write_block"]
