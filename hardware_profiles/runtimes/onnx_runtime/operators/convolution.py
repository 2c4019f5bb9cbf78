"""Gated convolutions: products and `CausalConvWithState`."""

from genomes import Hyena, HyenaX, ShortConv
from hardware_profiles.runtimes.onnx_runtime.graph import Graph
from hardware_profiles.runtimes.onnx_runtime.operators.base import Place, causal_conv


def misfit(block: Hyena) -> str | None:
    """Why a block is not written; None where it is."""
    return "has an implicit filter" if block.filter_length is None else None


def write_short_conv(g: Graph, block: ShortConv, at: Place, x: str) -> str:
    """The gated convolution of LFM2, and Hyena-Y: `c * conv(b * u)`."""
    projected = g.project(x, at.path("in_proj"), (at.width, 3 * at.width))
    b, c, u = g.split(projected, [at.width] * 3)
    convolved = causal_conv(g, g.mul(b, u), at, "conv", (block.kernel, at.width), "conv")
    return g.project(g.mul(c, convolved), at.path("out_proj"), (at.width, at.width))


def write_hyena(g: Graph, block: HyenaX, at: Place, x: str) -> str:
    """Hyena-X, `q * (k * v)` with all three convolved, and Hyena with an explicit filter on `k * v`."""
    projected = g.project(x, at.path("in_proj"), (at.width, 3 * at.width))
    convolved = causal_conv(g, projected, at, "conv", (block.kernel, 3 * at.width), "conv")
    q, k, v = g.split(convolved, [at.width] * 3)
    mixed = g.mul(k, v)
    if isinstance(block, Hyena):
        assert block.filter_length is not None
        mixed = causal_conv(g, mixed, at, "filter", (block.filter_length, at.width), "inputs")
    return g.project(g.mul(q, mixed), at.path("out_proj"), (at.width, at.width))
