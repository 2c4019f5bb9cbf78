"""Feed-forwards, gated or not."""

from genomes import MLP, GeGLU, SwiGLU
from hardware_profiles.runtimes.onnx_runtime.graph import MICROSOFT, Graph
from hardware_profiles.runtimes.onnx_runtime.operators.base import Place


def write_gated(g: Graph, block: SwiGLU | GeGLU, at: Place, x: str) -> str:
    """SwiGLU and GeGLU."""
    gate, up = (_linear(g, at, name, x, (at.width, block.hidden), block) for name in ("gate", "up"))
    active = g.silu(gate) if isinstance(block, SwiGLU) else _gelu(g, gate)
    return _linear(g, at, "down", g.mul(active, up), (block.hidden, at.width), block)


def write_mlp(g: Graph, block: MLP, at: Place, x: str) -> str:
    """Ungated, with GELU or squared ReLU."""
    z = _linear(g, at, "up", x, (at.width, block.hidden), block)
    if block.activation == "gelu":
        active = _gelu(g, z)
    else:
        positive = g.node("Relu", z)
        active = g.mul(positive, positive)
    return _linear(g, at, "down", active, (block.hidden, at.width), block)


def _linear(
    g: Graph, at: Place, name: str, x: str, shape: tuple[int, int], block: SwiGLU | GeGLU | MLP
) -> str:
    y = g.project(x, at.path(name), shape)
    bias = f"{name}_bias"
    return g.add(y, g.weight(at.path(bias), shape[1:])) if bias in block.weights(at.width) else y


def _gelu(g: Graph, x: str) -> str:
    """In its tanh form; twice as fast as ai.onnx's `Gelu` in onnxruntime 1.31."""
    return g.node("FastGelu", x, domain=MICROSOFT)
