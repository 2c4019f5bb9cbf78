"""Llama and Qwen3: attention, then SwiGLU. transformers `models/llama`, `models/qwen3`."""

from collections.abc import Mapping
from typing import Any

from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import Architecture, Attention, Operator, SwiGLU

ATTENTION = (
    TensorRow("q", "self_attn.q_proj.weight", "matrix"),
    TensorRow("k", "self_attn.k_proj.weight", "matrix"),
    TensorRow("v", "self_attn.v_proj.weight", "matrix"),
    TensorRow("out", "self_attn.o_proj.weight", "matrix"),
)
QK_NORM = (TensorRow("q_norm", "self_attn.q_norm.weight"), TensorRow("k_norm", "self_attn.k_norm.weight"))
FEED_FORWARD = Slot(
    "post_attention_layernorm",
    {
        "swiglu": (
            TensorRow("gate", "mlp.gate_proj.weight", "matrix"),
            TensorRow("up", "mlp.up_proj.weight", "matrix"),
            TensorRow("down", "mlp.down_proj.weight", "matrix"),
        )
    },
)


def llama(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `LlamaForCausalLM`."""
    c = Config(config)
    heads = c.size("num_attention_heads")
    head_dim = c.size("head_dim", default=c.size("hidden_size") // heads)
    return _architecture(c, head_dim, qk_norm=False, windows=[None] * c.size("num_hidden_layers"))


def qwen3(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `Qwen3ForCausalLM`."""
    c = Config(config)
    layers = c.size("num_hidden_layers")
    window = c.size("sliding_window", default=4096) if c.flag("use_sliding_window", default=False) else None
    full = c.size("max_window_layers", default=28) if window else layers
    default = ["full_attention" if index < full else "sliding_attention" for index in range(layers)]
    kinds = c.layer_types({"full_attention": None, "sliding_attention": window}, default)
    return _architecture(c, c.size("head_dim", default=128), qk_norm=True, windows=kinds)


def _architecture(c: Config, head_dim: int, qk_norm: bool, windows: list[int | None]) -> Architecture:
    for bias in ("attention_bias", "mlp_bias"):
        c.only(bias, False)
    c.only("hidden_act", "silu")
    heads, rope = c.size("num_attention_heads"), c.rope()
    blocks: list[Operator] = []
    for window in windows:
        attention = Attention(
            heads=heads,
            kv_heads=c.size("num_key_value_heads", default=heads),
            head_dim=head_dim,
            qk_norm=qk_norm,
            rope_theta=rope.theta,
            rotary_dim=rope.rotary_dim(head_dim),
            window=window,
        )
        blocks += [attention, SwiGLU(hidden=c.size("intermediate_size"))]
    return Architecture(
        width=c.size("hidden_size"),
        vocab_size=c.size("vocab_size"),
        tied_embeddings=c.flag("tie_word_embeddings", default=False),
        norm_eps=c.number("rms_norm_eps", 1e-6),
        blocks=tuple(blocks),
    )


LLAMA = ModelClass(
    "LlamaForCausalLM", llama, layer=(Slot("input_layernorm", {"attention": ATTENTION}), FEED_FORWARD)
)
QWEN3 = ModelClass(
    "Qwen3ForCausalLM",
    qwen3,
    layer=(Slot("input_layernorm", {"attention": ATTENTION + QK_NORM}), FEED_FORWARD),
)
