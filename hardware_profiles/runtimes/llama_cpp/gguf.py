"""Writing an architecture as a GGUF file that llama.cpp loads unchanged.

    write_gguf(architecture, "model.gguf", weights="int4")                      random weights
    write_gguf(architecture, "model.gguf", weights="float32", params=params)    those of `proxies.model.Model`

Matrices are of one type, the embedding too, but in a file in int4 the table of the logits is Q6_K, as
llama.cpp's quantiser writes it; norms, other vectors and the kernels of convolutions are float32. A matrix
whose rows no block divides is of a wider type, as that quantiser falls back to. There is no tokenizer: tokens
are numbers. Tensors are made and written one by one.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from genomes import Architecture, Attention, InvalidInput, Mamba2, ShortConv
from hardware_profiles.runtimes.llama_cpp import q6_k
from hardware_profiles.runtimes.llama_cpp.binding import INSTALL
from hardware_profiles.runtimes.llama_cpp.classes import GgufClass, gguf_class, used
from hardware_profiles.runtimes.llama_cpp.tensors import Tensor, tensors
from hardware_profiles.runtimes.weights import BITS, TABLES, Weights
from hardware_profiles.traits import LLAMA_CPP
from hardware_profiles.workload import Workload, matrix_dtype

FILE_TYPES = {"float32": "F32", "float16": "F16", "int8": "Q8_0", "int4": "Q4_0"}
"""Our names of what weights are stored in, and GGUF's."""
TENSOR_TYPES = FILE_TYPES | {"q6_k": "Q6_K"}
"""The same of what a tensor is stored in."""
LONGEST = 1 << 20
"""Context length that files claim: llama.cpp warns beyond it."""


def write_gguf(
    architecture: Architecture,
    path: Path | str,
    weights: str = "float32",
    params: Mapping[str, Any] | None = None,
) -> int:
    """Write the file; gives the bytes of its tensors.

    Without `params` weights are pseudo-random: matrices with variance 1 / fan-in, vectors from 0.5 to 1.
    Raises `InvalidInput` where no class of llama.cpp holds the architecture, the type is unknown or `gguf` is
    not installed.
    """
    if weights not in FILE_TYPES:
        raise InvalidInput(f"weights = {weights!r}; llama.cpp has {', '.join(FILE_TYPES)}")
    model_class = gguf_class(architecture)
    package = _package()
    writer = package.GGUFWriter(str(path), model_class.name)
    _write_facts(writer, architecture, model_class)
    stored = {tensor: _stored(tensor, architecture, weights) for tensor in tensors(architecture, model_class)}
    try:
        for tensor, dtype in stored.items():
            shape = tensor.lay(np.broadcast_to(np.float32(0), tensor.shape)).shape
            kind = package.GGMLQuantizationType[TENSOR_TYPES[dtype]]
            bytes_ = package.quants.quant_shape_to_byte_shape(shape, kind)
            plain = dtype in ("float32", "float16")
            writer.add_tensor_info(
                tensor.name,
                shape if plain else bytes_,
                np.dtype(dtype if plain else "uint8"),
                prod(bytes_) if not plain else prod(shape) * np.dtype(dtype).itemsize,
                raw_dtype=kind,
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        total, values = 0, Weights(params, weights)
        for tensor, dtype in stored.items():
            data = _data(tensor, dtype, values, package)
            total += data.nbytes
            writer.write_tensor_data(data)
    finally:
        writer.close()
    return total


def _stored(tensor: Tensor, architecture: Architecture, weights: str) -> str:
    """What a tensor is stored in."""
    if not tensor.matrix:
        return "float32"
    if tensor.ours == ("embedding" if architecture.tied_embeddings else "head"):
        return LLAMA_CPP.shipped(Workload(weights=weights)).head_dtype(architecture.width)
    # The inputs of a table are its last axis, those of our matrices the first.
    return matrix_dtype(tensor.shape[-1] if tensor.ours in TABLES else tensor.shape[0], weights)


def _data(tensor: Tensor, dtype: str, values: Weights, package: Any) -> np.ndarray:
    """What the file holds of a tensor; random integers are made as they are stored, without rounding."""
    if values.random and dtype == "q6_k":  # a table
        return q6_k.cheap(*tensor.shape)
    if values.random and dtype in BITS:
        inputs, outputs = tensor.shape  # or the other way round, for a table
        integers = values.integers(tensor.ours, (inputs, outputs), BITS[dtype])
        scales = integers.scales.astype(np.float16)[..., None].view(np.uint8)
        return np.concatenate([scales, integers.bytes], axis=-1).reshape(len(scales), -1)
    laid = np.ascontiguousarray(tensor.lay(values.read(tensor.ours, tensor.shape)), np.float32)
    if dtype == "q6_k":
        return q6_k.quantise(laid)
    data: np.ndarray = package.quants.quantize(laid, package.GGMLQuantizationType[TENSOR_TYPES[dtype]])
    return data


def _write_facts(writer: Any, architecture: Architecture, model_class: GgufClass) -> None:
    """Everything that llama.cpp asks for beside tensors."""
    a, blocks = architecture, [block for _, block in used(architecture)]
    mixers = blocks[::2] if model_class.layered else blocks
    writer.add_name(a.name or "archsearch")
    writer.add_block_count(len(mixers))
    writer.add_context_length(LONGEST)
    writer.add_embedding_length(a.width)
    writer.add_vocab_size(a.vocab_size)
    writer.add_layer_norm_rms_eps(a.norm_eps)
    writer.add_tokenizer_model("none")
    hidden = [getattr(block, "hidden", 0) for block in (blocks[1::2] if model_class.layered else blocks)]
    uniform = model_class.layered or not any(hidden)
    writer.add_feed_forward_length(hidden[0] if uniform else hidden)
    for block in dict.fromkeys(mixers):
        match block:
            case Attention():
                kv_heads = [block.kv_heads if mixer == block else 0 for mixer in mixers]
                writer.add_head_count(block.heads)
                writer.add_head_count_kv(block.kv_heads if all(kv_heads) else kv_heads)
                writer.add_key_length(block.head_dim)
                writer.add_value_length(block.head_dim)
                writer.add_rope_dimension_count(block.head_dim)
                if block.rope_theta is not None:
                    writer.add_rope_freq_base(block.rope_theta)
                elif model_class.scaled:
                    writer.add_rope_scaling_finetuned(False)
                if block.rope_theta is None:
                    writer.add_attention_scale(block.score_scale or block.head_dim**-0.5)
            case ShortConv():
                writer.add_shortconv_l_cache(block.kernel)
            case Mamba2():
                writer.add_ssm_conv_kernel(block.kernel)
                writer.add_ssm_inner_size(block.inner)
                writer.add_ssm_state_size(block.state_dim)
                writer.add_ssm_time_step_rank(block.heads)
                writer.add_ssm_group_count(block.groups)
                if model_class.name == "mamba2":
                    writer.add_head_count(block.heads)  # of which b9190 takes the shape of ssm_in
    if model_class.scaled:
        writer.add_embedding_scale(a.embedding_scale)
        writer.add_residual_scale(a.residual_scale)
        writer.add_logit_scale(1 / a.logit_scale)


def _package() -> Any:
    try:
        import gguf
        import gguf.quants
    except ImportError as error:
        raise InvalidInput(f"llama.cpp needs the package gguf ({error}); install it with {INSTALL}") from None
    return gguf
