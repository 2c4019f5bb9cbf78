"""What writers of operators are given, and what several of them need."""

from typing import NamedTuple

import numpy as np

from hardware_profiles.runtimes.onnx_runtime.graph import MICROSOFT, Graph


class Sequence(NamedTuple):
    """Where the tokens of a run stand: names of int32 values, and what the file has room for."""

    lengths: str
    """Of each sequence with the new tokens, less 1."""
    total: str
    """Of the longest, a scalar."""
    longest: int
    cache: str
    """What keys and values are stored in."""


class Place(NamedTuple):
    """A block: where it stands and whose weights it has."""

    number: int
    donor: int
    """The block whose weights it takes; itself where it owns them."""
    width: int
    eps: float
    sequence: Sequence

    def path(self, name: str) -> str:
        """Of a weight."""
        return f"ops_{self.donor}/{name}"

    def state(self, name: str) -> str:
        """Of a state, before `past.` or `present.`."""
        return f"{self.number}.{name}"


def causal_conv(
    g: Graph,
    x: str,
    at: Place,
    name: str,
    shape: tuple[int, ...],
    state: str,
    bias: str = "",
    silu: bool = False,
) -> str:
    """A depthwise convolution of `x` by a kernel `L C` of ours; `state` holds its last inputs, `C L - 1`.

    In channels-first layout: the kernel of onnxruntime 1.31 walks a channel along its tokens, 5 to 8 times as
    fast as in channels-last layout, transposes included.
    """
    taps, channels = shape
    kernel = g.weight(at.path(name), shape, lambda w: w.T[:, None], of=".kernel")
    given = g.weight(at.path(bias), (channels,)) if bias else ""
    past, present = g.state(at.state(state), ("batch", channels, taps - 1))
    turned = g.node("Transpose", x, perm=[0, 2, 1])
    y = f"{present}.convolved"
    g.nodes(
        "CausalConvWithState",
        turned,
        kernel,
        given,
        past,
        outputs=(y, present),
        domain=MICROSOFT,
        activation="silu" if silu else "none",
    )
    return g.node("Transpose", y, perm=[0, 2, 1])


def recurrence(
    g: Graph,
    at: Place,
    rule: str,
    inputs: tuple[str, str, str],
    state: tuple[int, int, int],
    read_heads: int,
    decay: str = "",
    beta: str = "",
    scale: float = 1.0,
) -> str:
    """Outputs `B T (H V)` of a linear recurrence with a state `H K V` from `q, k, v` in layout `B T (H K)`.

    The rules are those of `LinearAttention`: `linear`, `gated` (by `exp(decay)`), `gated_delta`. Neighbouring
    heads of the state share one of `read_heads` queries and keys. Its kernel goes token by token.
    """
    past, present = g.state(at.state("s"), ("batch", *state))
    y = f"{present}.read"
    g.nodes(
        "LinearAttention",
        *inputs,
        past,
        decay,
        beta,
        outputs=(y, present),
        domain=MICROSOFT,
        q_num_heads=read_heads,
        kv_num_heads=state[0],
        update_rule=rule,
        scale=scale,
    )
    return y


def gated_norm(g: Graph, at: Place, x: str, gate: str, size: int, activation: str) -> str:
    """Each head of `size` normed, times the activated gate."""
    scale = g.weight(at.path("norm"), (size,))
    return g.node("GatedRMSNorm", x, scale, gate, domain=MICROSOFT, epsilon=at.eps, activation=activation)


def unit(g: Graph, x: str, heads: int, size: int, eps: float) -> str:
    """Each head over `sqrt(sum(x^2) + eps)`: its RMS norm over the root of its size."""
    scale = g.constant(np.full(size, size**-0.5, np.float32))
    return g.flat(g.rms_norm(g.heads(x, heads), scale, eps / size))
