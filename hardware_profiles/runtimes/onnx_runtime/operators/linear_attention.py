"""Linear attention without and with decay, delta rules and Mamba-2: all by `LinearAttention`.

States are float32 in layout `B H K V`.
"""

import numpy as np

from genomes import KDA, GatedDeltaNet, GatedLinearAttention, LinearAttention, Mamba2
from hardware_profiles.runtimes.onnx_runtime.graph import MICROSOFT, Graph
from hardware_profiles.runtimes.onnx_runtime.operators.base import (
    Place,
    causal_conv,
    gated_norm,
    recurrence,
    unit,
)


def write_linear_attention(g: Graph, block: LinearAttention, at: Place, x: str) -> str:
    """Keys and queries `elu + 1`; a value of 1 beside the others gives the normaliser."""
    heads, keys, values = block.heads, block.heads * block.key_dim, block.heads * block.value_dim

    def positive(name: str) -> str:
        z = g.project(x, at.path(name), (at.width, keys))
        return g.add(g.node("Elu", z), g.constant(np.float32(1)))

    q, k = positive("q"), positive("k")
    v = g.heads(g.project(x, at.path("v"), (at.width, values)), heads)
    ends = g.constant(np.array([0] * 7 + [1], np.int64))
    v = g.flat(g.node("Pad", v, ends, g.constant(np.float32(1))))
    size = block.value_dim + 1
    o = recurrence(g, at, "linear", (q, k, v), (heads, block.key_dim, size), heads)
    mixed, norm = g.split(g.heads(o, heads), [block.value_dim, 1])
    mixed = g.flat(g.node("Div", mixed, g.add(norm, g.constant(np.float32(block.NORMALISER_EPS)))))
    return g.project(mixed, at.path("out"), (values, at.width))


def write_gated_linear_attention(g: Graph, block: GatedLinearAttention, at: Place, x: str) -> str:
    """One decay a key channel, `log_sigmoid(z) / 16`."""
    heads, keys, values = block.heads, block.heads * block.key_dim, block.heads * block.value_dim
    q, k, v = (
        g.project(x, at.path(name), (at.width, size))
        for name, size in zip("qkv", (keys, keys, values), strict=True)
    )
    z = g.project(x, at.path("decay_down"), (at.width, block.gate_rank))
    z = g.project(z, at.path("decay_up"), (block.gate_rank, keys))
    # log_sigmoid(z) = -softplus(-z), which the kernel of the gates takes with any factor.
    negative = g.node("Neg", z)
    bias = g.weight(at.path("decay_bias"), (keys,), np.negative, of=".negative")
    factor = g.constant(np.full(keys, -1 / block.TEMPERATURE, np.float32))
    decay = g.node("LinearAttentionGate", negative, bias, factor, domain=MICROSOFT)
    decay = g.node("Max", decay, g.constant(np.float32(block.LEAST_LOG_DECAY)))
    state = (heads, block.key_dim, block.value_dim)
    o = recurrence(g, at, "gated", (q, k, v), state, heads, decay, scale=block.key_dim**-0.5)
    gate = g.project(x, at.path("gate"), (at.width, values))
    o = gated_norm(g, at, o, gate, block.value_dim, "silu")
    return g.project(o, at.path("out"), (values, at.width))


def write_delta_rule(g: Graph, block: GatedDeltaNet | KDA, at: Place, x: str) -> str:
    """Gated DeltaNet, with one decay a head, and Kimi Delta Attention, with one a key channel."""
    sizes, heads = {"q": block.keys, "k": block.keys, "v": block.values}, block.state_heads

    def convolved(name: str) -> str:
        z = g.project(x, at.path(name), (at.width, sizes[name]))
        conv = f"{name}_conv"
        return causal_conv(g, z, at, conv, (block.conv, sizes[name]), conv, silu=True)

    q, k = (unit(g, convolved(name), block.read_heads, block.key_dim, block.UNIT_EPS) for name in "qk")
    v = convolved("v")
    beta = g.node("Sigmoid", g.project(x, at.path("b"), (at.width, heads)))
    if isinstance(block, GatedDeltaNet):
        z, decays, gate_by = g.project(x, at.path("a"), (at.width, heads)), 1, "silu"
        gate = g.project(x, at.path("z"), (at.width, block.values))
    else:
        z, decays, gate_by = _low_rank(g, block, at, x, "decay", block.keys), block.key_dim, "sigmoid"
        gate = _low_rank(g, block, at, x, "gate", block.values)
    bias = g.weight(at.path("dt_bias"), (heads * decays,))
    rate = g.weight(at.path("a_log"), (heads,), lambda w: np.repeat(-np.exp(w), decays), of=".rate")
    decay = g.node("LinearAttentionGate", z, bias, rate, domain=MICROSOFT)
    o = recurrence(
        g,
        at,
        "gated_delta",
        (q, k, v),
        (heads, block.key_dim, block.value_dim),
        block.read_heads,
        decay,
        beta,
        scale=block.key_dim**-0.5,
    )
    o = gated_norm(g, at, o, gate, block.value_dim, gate_by)
    return g.project(o, at.path("out"), (block.values, at.width))


def write_mamba2(g: Graph, block: Mamba2, at: Place, x: str) -> str:
    """Its B and C are keys and queries, its steps scale the values and the decay."""
    heads, inner, groups = block.heads, block.inner, block.groups
    sizes = [inner, block.conv_width, heads]
    z, xbc, dt = g.split(g.project(x, at.path("in_proj"), (at.width, sum(sizes))), sizes)
    kernel = (block.kernel, block.conv_width)
    xbc = causal_conv(g, xbc, at, "conv", kernel, "conv", bias="conv_bias", silu=True)
    u, b, c = g.split(xbc, [inner, groups * block.state_dim, groups * block.state_dim])
    dt = g.node("Softplus", g.add(dt, g.weight(at.path("dt_bias"), (heads,))))
    decay = g.mul(dt, g.weight(at.path("a_log"), (heads,), lambda w: -np.exp(w), of=".rate"))
    u = g.heads(u, heads)
    step = g.node("Unsqueeze", dt, g.constant(np.array([3], np.int64)))
    state = (heads, block.state_dim, block.head_dim)
    o = recurrence(g, at, "gated", (c, b, g.flat(g.mul(u, step))), state, groups, decay)
    d = g.weight(at.path("d"), (heads,), lambda w: w[:, None], of=".column")
    y = g.mul(g.add(o, g.flat(g.mul(u, d))), g.silu(z))
    one = g.constant(np.ones(inner // groups, np.float32))
    normed = g.flat(g.rms_norm(g.heads(y, groups), one, at.eps))
    normed = g.mul(normed, g.weight(at.path("norm"), (inner,)))
    return g.project(normed, at.path("out_proj"), (inner, at.width))


def _low_rank(g: Graph, block: KDA, at: Place, x: str, name: str, size: int) -> str:
    down = g.project(x, at.path(f"{name}_down"), (at.width, block.rank))
    return g.project(down, at.path(f"{name}_up"), (block.rank, size))
