"""Softmax attention, by `GroupQueryAttention`: one kernel that rotates, writes the cache in place and
attends.

The caches of keys and values lie in layout `B H slots K`. Where a window is shorter than the sequence may
get, the cache holds only a little more than the window: the kernel moves it along in one go when that is
full.
"""

import numpy as np

from genomes import Attention
from hardware_profiles.runtimes.onnx_runtime.graph import MICROSOFT, Graph
from hardware_profiles.runtimes.onnx_runtime.operators.base import Place, causal_conv

LANES = 8
"""Head sizes of the kernel are multiples of it, with rotary positions of twice as much."""
ONLY = f"not differential; head sizes and rotary sizes multiples of {2 * LANES}, of {LANES} without positions"
"""What the kernel is restricted to, for people."""
SLACK = 16
"""Part of the window by which its cache is larger, so that few tokens move it."""


def misfit(block: Attention) -> str | None:
    """Why the kernel cannot run a block; None where it can."""
    if block.differential:
        return "is differential"
    lanes = LANES if block.rope_theta is None else 2 * LANES
    for name, size in (("head_dim", block.head_dim), ("rotary_dim", block.rotary_dim)):
        if size is not None and size % lanes:
            return f"has {name} = {size}, no multiple of {lanes}"
    return None


def write(g: Graph, block: Attention, at: Place, x: str) -> str:
    """What the block adds to the stream."""
    shapes = block.weights(at.width)

    def projected(name: str, heads: int) -> str:
        z = g.project(x, at.path(name), (at.width, heads * block.head_dim))
        if block.conv is not None:
            z = causal_conv(g, z, at, f"{name}_conv", shapes[f"{name}_conv"], f"{name}_conv")
        if not block.qk_norm or name == "v":
            return z
        scale = g.weight(at.path(f"{name}_norm"), (block.head_dim,))
        return g.flat(g.rms_norm(g.heads(z, heads), scale, at.eps))

    q, k, v = projected("q", block.heads), projected("k", block.kv_heads), projected("v", block.kv_heads)
    longest, windowed = at.sequence.longest, {}
    slots: int | str = "slots"
    if block.window is not None and block.window < longest:
        slots = min(block.window + max(SLACK, block.window // SLACK), longest)
        windowed = {"local_window_size": block.window, "sliding_window_cache": 1}
    shape = ("batch", block.kv_heads, slots, block.head_dim)
    past, present = zip(*(g.state(at.state(name), shape, at.sequence.cache) for name in "kv"), strict=True)
    y = f"{present[0]}.mixed"
    g.nodes(
        "GroupQueryAttention",
        *(q, k, v, *past, at.sequence.lengths, at.sequence.total),
        *_rotation(g, block, longest),
        outputs=(y, *present),
        domain=MICROSOFT,
        num_heads=block.heads,
        kv_num_heads=block.kv_heads,
        scale=block.score_scale or block.head_dim**-0.5,
        do_rotary=int(block.rope_theta is not None),
        **windowed,
    )
    inner = block.inner
    if block.gated:
        y = g.mul(y, g.node("Sigmoid", g.project(x, at.path("gate"), (at.width, inner))))
    y = g.project(y, at.path("out"), (inner, at.width))
    return g.add(y, g.weight(at.path("out_bias"), (at.width,))) if block.out_bias else y


def _rotation(g: Graph, block: Attention, longest: int) -> tuple[str, ...]:
    """Cosines and sines of every position, `longest R/2` each; as `proxies.kernels.rotary` has them."""
    if block.rope_theta is None:
        return ()
    half = (block.rotary_dim or block.head_dim) // 2
    frequency = np.float32(block.rope_theta) ** (-np.arange(half, dtype=np.float32) / np.float32(half))
    angle = np.arange(longest, dtype=np.float32)[:, None] * frequency
    return g.constant(np.cos(angle)), g.constant(np.sin(angle))
