"""RecurrentGemma: RG-LRU or local attention, then GeGLU. transformers `models/recurrent_gemma`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import RGLRU, Architecture, Attention, GeGLU, Operator

MIXER: dict[str, tuple[TensorRow, ...]] = {
    "attention": (
        TensorRow("q", "temporal_block.q_proj.weight", "matrix"),
        TensorRow("k", "temporal_block.k_proj.weight", "matrix"),
        TensorRow("v", "temporal_block.v_proj.weight", "matrix"),
        TensorRow("out", "temporal_block.o_proj.weight", "matrix"),
        TensorRow("out_bias", "temporal_block.o_proj.bias"),
    ),
    "rg_lru": (
        TensorRow("linear_y", "temporal_block.linear_y.weight", "matrix"),
        TensorRow("linear_y_bias", "temporal_block.linear_y.bias"),
        TensorRow("linear_x", "temporal_block.linear_x.weight", "matrix"),
        TensorRow("linear_x_bias", "temporal_block.linear_x.bias"),
        TensorRow("linear_out", "temporal_block.linear_out.weight", "matrix"),
        TensorRow("linear_out_bias", "temporal_block.linear_out.bias"),
        TensorRow("conv", "temporal_block.conv_1d.weight", "conv"),
        TensorRow("conv_bias", "temporal_block.conv_1d.bias"),
        TensorRow("decay", "temporal_block.rg_lru.recurrent_param"),
        TensorRow("input_gate", "temporal_block.rg_lru.input_gate_weight"),
        TensorRow("input_gate_bias", "temporal_block.rg_lru.input_gate_bias", "per_head", per="heads"),
        TensorRow("recurrence_gate", "temporal_block.rg_lru.recurrent_gate_weight"),
        TensorRow(
            "recurrence_gate_bias", "temporal_block.rg_lru.recurrent_gate_bias", "per_head", per="heads"
        ),
    ),
}
FEED_FORWARD: dict[str, tuple[TensorRow, ...]] = {
    "geglu": (
        TensorRow("gate", "mlp_block.gate_proj.weight", "matrix"),
        TensorRow("gate_bias", "mlp_block.gate_proj.bias"),
        TensorRow("up", "mlp_block.up_proj.weight", "matrix"),
        TensorRow("up_bias", "mlp_block.up_proj.bias"),
        TensorRow("down", "mlp_block.down_proj.weight", "matrix"),
        TensorRow("down_bias", "mlp_block.down_proj.bias"),
    )
}


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `RecurrentGemmaForCausalLM`."""
    c = Config(config)
    c.only("attention_bias", False)
    c.only("hidden_activation", "gelu_pytorch_tanh")
    width, heads = c.size("hidden_size"), c.size("num_attention_heads")
    head_dim, rope = width // heads, c.rope(share=0.5)
    kinds: Mapping[str, Operator] = {
        "recurrent": RGLRU(
            lru_width=c.size("lru_width", default=width),
            heads=heads,
            kernel=c.size("conv1d_width", default=4),
            bias=True,
        ),
        "attention": Attention(
            heads=heads,
            kv_heads=c.size("num_key_value_heads", default=heads),
            head_dim=head_dim,
            rope_theta=rope.theta,
            rotary_dim=rope.rotary_dim(head_dim),
            window=c.size("attention_window_size", "sliding_window", default=2048),
            out_bias=True,
        ),
    }
    period = c.find("block_types", "_block_types", default=["recurrent", "recurrent", "attention"])
    layers = c.size("num_hidden_layers")
    words = [period[index % len(period)] for index in range(layers)]
    mixers = Config({"layer_types": words}).layer_types(kinds)
    hidden = GeGLU(hidden=c.size("intermediate_size") // 2, bias=True)
    return Architecture(
        width=width,
        vocab_size=c.size("vocab_size"),
        tied_embeddings=c.flag("tie_word_embeddings", default=True),
        norm_eps=c.number("rms_norm_eps", 1e-6),
        embedding_scale=_bfloat16(width**0.5),
        logit_softcap=c.number("logits_soft_cap", 30.0),
        blocks=tuple(block for mixer in mixers for block in (mixer, hidden)),
    )


def _bfloat16(value: float) -> float:
    """The nearest number of 8 significant bits, ties to even: how the published class keeps its scale."""
    bits = int(np.float32(value).view(np.uint32))
    return float(np.uint32((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32))


RECURRENT_GEMMA = ModelClass(
    "RecurrentGemmaForCausalLM",
    architecture,
    layer=(Slot("temporal_pre_norm", MIXER), Slot("channel_pre_norm", FEED_FORWARD)),
    final_norm="final_norm",
    norm_form="zero_centred",
)
