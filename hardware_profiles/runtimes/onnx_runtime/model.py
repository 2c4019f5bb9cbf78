"""Writing an architecture as an ONNX model: one graph that reads a prompt in pieces and decodes.

    write_onnx(architecture, "model.onnx", 4096, weights="int4")          random weights
    write_onnx(architecture, "model.onnx", 4096, params=params)           those of `proxies.model.Model`

| input | type | shape | |
|---|---|---|---|
| `tokens` | int64 | `batch tokens` | the next tokens |
| `position` | int32 | | tokens before them |
| `past.I.NAME` | float32, or the cache's | | each state of block I |

Outputs are `logits` (`batch 1 vocabulary`, of the last token; or of all) and `present.I.NAME`, which may be
bound to the buffers of `past.I.NAME`: kernels write them in place. Keys and values are `batch H slots K`, and
`slots` must hold all tokens. Large weights lie in a file beside the model, its name with `.data` behind.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from genomes import Architecture, InvalidInput, Operator
from hardware_profiles.runtimes.onnx_runtime.graph import Graph
from hardware_profiles.runtimes.onnx_runtime.operators import RUN, Place, Sequence, misfit, write_block
from hardware_profiles.runtimes.weights import BITS, Weights

WEIGHT_TYPES = ("float32", *BITS)
CACHE_TYPES = ("float32", "float16")
"""Types of keys and values; states of recurrences and convolutions are float32."""


def check_runs(architecture: Architecture) -> None:
    """Raise `InvalidInput` naming the first block that is not written, and what is."""
    for index, block in enumerate(architecture.blocks):
        if why := misfit(block):
            raise InvalidInput(
                f"archsearch does not write this architecture as ONNX: blocks[{index}] ({block.name}) {why}; "
                f"it writes {', '.join(RUN)}; weights may be shared"
            )


def write_onnx(
    architecture: Architecture,
    path: Path | str,
    longest: int,
    weights: str = "float32",
    cache: str = "float32",
    params: Mapping[str, Any] | None = None,
    logits: Literal["last", "all"] = "last",
) -> None:
    """Write the model and its weights, for sequences of at most `longest` tokens.

    Raises `InvalidInput` where a block is not run, a type is unknown or `onnx` is not installed.
    """
    check_runs(architecture)
    for name, value, legal in (("weights", weights, WEIGHT_TYPES), ("cache", cache, CACHE_TYPES)):
        if value not in legal:
            raise InvalidInput(f"{name} = {value!r}; onnxruntime has {', '.join(legal)}")
    with Graph(Path(path), Weights(params, weights)) as g:
        _write(g, architecture, longest, cache, logits == "all")


def _write(g: Graph, a: Architecture, longest: int, cache: str, all_logits: bool) -> None:
    tokens = g.input("tokens", np.dtype(np.int64), ("batch", "tokens"))
    position = g.input("position", np.dtype(np.int32), ())
    rows: int | str = "tokens" if all_logits else 1
    output = g.output("logits", np.dtype(np.float32), ("batch", rows, a.vocab_size))
    sequence = _sequence(g, tokens, position, longest, cache)
    table = (a.vocab_size, a.width)
    x = g.times(g.embed(tokens, "embedding", table), a.embedding_scale)
    for index, block in enumerate(a.blocks):
        if block.kind == "skip":
            continue
        at = Place(index, _donor(index, block), a.width, a.norm_eps, sequence)
        normed = g.rms_norm(x, g.weight(f"norm_{index}", (a.width,)), a.norm_eps)
        x = g.add(x, g.times(write_block(g, block, at, normed), a.residual_scale))
    if not all_logits:
        x = g.node("Gather", x, g.constant(np.array([-1], np.int64)), axis=1)
    x = g.rms_norm(x, g.weight("final_norm", (a.width,)), a.norm_eps)
    x = g.logits(x, "embedding" if a.tied_embeddings else "head", table, looked_up=a.tied_embeddings)
    x = g.times(x, a.logit_scale)
    if a.logit_softcap is not None:
        x = g.times(g.node("Tanh", g.times(x, 1 / a.logit_softcap)), a.logit_softcap)
    g.nodes("Identity", x, outputs=(output,))


def _sequence(g: Graph, tokens: str, position: str, longest: int, cache: str) -> Sequence:
    """How long the sequences are with the new tokens."""
    count = g.node("Cast", g.node("Shape", tokens, start=1, end=2), to=_INT32)
    total = g.add(g.node("Squeeze", count), position)
    last = g.node("Sub", total, g.constant(np.int32(1)))
    lengths = g.node("Expand", last, g.node("Shape", tokens, start=0, end=1))
    return Sequence(lengths, total, longest, cache)


_INT32 = 6
"""`TensorProto.INT32`."""


def _donor(index: int, block: Operator) -> int:
    """The block whose weights block `index` has."""
    return next((share.donor for share in block.shares if share.what == "weights"), index)
