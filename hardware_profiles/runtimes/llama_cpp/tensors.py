"""The tensors of a GGUF file: what they are called, and how ours are laid out in them.

Names and shapes are those of `gguf-py/gguf/constants.py` (github.com/ggml-org/llama.cpp); shapes are written
slowest axis first, as numpy has them. A matrix is `[out, in]`, ours `[in, out]`.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from genomes import MLP, Architecture, Attention, Mamba2, Operator, ShortConv, SwiGLU
from hardware_profiles.runtimes.llama_cpp.classes import GgufClass, used

Lay = Callable[[np.ndarray], np.ndarray]


class Tensor(NamedTuple):
    """One tensor, and the weight of ours that it holds."""

    name: str
    ours: str
    """Path in the parameters of `proxies.model.Model`."""
    shape: tuple[int, ...]
    """Shape of our weight."""
    lay: Lay = np.asarray
    matrix: bool = False
    """Whether it may be stored in fewer bits; all else is float32."""


def tensors(architecture: Architecture, model_class: GgufClass) -> Iterator[Tensor]:
    """Every tensor of the file."""
    a = architecture
    table = (a.vocab_size, a.width)
    yield Tensor("token_embd.weight", "embedding", table, matrix=True)
    final = "token_embd_norm.weight" if model_class.name == "lfm2" else "output_norm.weight"
    yield Tensor(final, "final_norm", (a.width,))
    if not a.tied_embeddings:
        yield Tensor("output.weight", "head", table, matrix=True)
    for place, (index, block) in enumerate(used(a)):
        layer, second = divmod(place, 2) if model_class.layered else (place, 0)
        prefix = f"blk.{layer}"
        norm = "ffn_norm" if second else "attn_norm"
        yield Tensor(f"{prefix}.{norm}.weight", f"norm_{index}", (a.width,))
        weights = block.weights(a.width)
        for tensor in _block(block, rotated_in_pairs=model_class.name == "llama"):
            shape = weights.pop(tensor.ours)
            yield tensor._replace(
                name=f"{prefix}.{tensor.name}", ours=f"ops_{index}/{tensor.ours}", shape=shape
            )
        assert not weights, f"{model_class.name} has no tensor for {', '.join(weights)} of {block.name}"


def _block(block: Operator, rotated_in_pairs: bool) -> list[Tensor]:
    """Tensors of a block; prefix and shape are still to be filled in."""
    match block:
        case Attention():
            turned = rotated_in_pairs and block.rotary > 0
            attention = [
                _matrix("attn_q", "q", _in_pairs(block.heads) if turned else _transposed),
                _matrix("attn_k", "k", _in_pairs(block.kv_heads) if turned else _transposed),
                _matrix("attn_v", "v"),
                _matrix("attn_output", "out"),
            ]
            if block.qk_norm:
                attention += [
                    _vector("attn_q_norm.weight", "q_norm"),
                    _vector("attn_k_norm.weight", "k_norm"),
                ]
            return attention
        case ShortConv():
            return [
                _matrix("shortconv.in_proj", "in_proj"),
                _vector("shortconv.conv.weight", "conv", _transposed),
                _matrix("shortconv.out_proj", "out_proj"),
            ]
        case Mamba2():
            groups = block.groups
            return [
                _matrix("ssm_in", "in_proj"),
                _vector("ssm_conv1d.weight", "conv", _transposed),
                _vector("ssm_conv1d.bias", "conv_bias"),
                _vector("ssm_dt.bias", "dt_bias"),
                _vector("ssm_a", "a_log", lambda w: -np.exp(w)[:, None]),
                _vector("ssm_d", "d", lambda w: w[:, None]),
                _vector("ssm_norm.weight", "norm", lambda w: w.reshape(groups, -1)),
                _matrix("ssm_out", "out_proj"),
            ]
        case SwiGLU():
            return [_matrix("ffn_gate", "gate"), _matrix("ffn_up", "up"), _matrix("ffn_down", "down")]
        case MLP():
            return [_matrix("ffn_up", "up"), _matrix("ffn_down", "down")]
    raise AssertionError(f"{block.name} is in no class")


def _transposed(weight: np.ndarray) -> np.ndarray:
    return weight.T


def _in_pairs(heads: int) -> Lay:
    """llama's rotary positions turn neighbouring channels, ours the two halves of a head."""

    def lay(weight: np.ndarray) -> np.ndarray:
        halves = weight.T.reshape(heads, 2, -1, weight.shape[0])
        return halves.swapaxes(1, 2).reshape(-1, weight.shape[0])

    return lay


def _matrix(name: str, ours: str, lay: Lay = _transposed) -> Tensor:
    return Tensor(f"{name}.weight", ours, (), lay, matrix=True)


def _vector(name: str, ours: str, lay: Lay = np.asarray) -> Tensor:
    return Tensor(name, ours, (), lay)
