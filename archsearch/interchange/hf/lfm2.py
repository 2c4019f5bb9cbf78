"""LFM2: gated short convolution or attention, then SwiGLU. transformers `models/lfm2`."""

from collections.abc import Mapping
from typing import Any

from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import Architecture, Attention, Operator, ShortConv, SwiGLU

MIXER: dict[str, tuple[TensorRow, ...]] = {
    "attention": (
        TensorRow("q", "self_attn.q_proj.weight", "matrix"),
        TensorRow("k", "self_attn.k_proj.weight", "matrix"),
        TensorRow("v", "self_attn.v_proj.weight", "matrix"),
        TensorRow("out", "self_attn.out_proj.weight", "matrix"),
        TensorRow("q_norm", "self_attn.q_layernorm.weight"),
        TensorRow("k_norm", "self_attn.k_layernorm.weight"),
    ),
    "short_conv": (
        TensorRow("in_proj", "conv.in_proj.weight", "matrix"),
        TensorRow("conv", "conv.conv.weight", "conv"),
        TensorRow("out_proj", "conv.out_proj.weight", "matrix"),
    ),
}
FEED_FORWARD: dict[str, tuple[TensorRow, ...]] = {
    "swiglu": (
        TensorRow("gate", "feed_forward.w1.weight", "matrix"),
        TensorRow("up", "feed_forward.w3.weight", "matrix"),
        TensorRow("down", "feed_forward.w2.weight", "matrix"),
    )
}


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of an `Lfm2ForCausalLM`."""
    c = Config(config)
    c.only("conv_bias", False)
    heads, width, rope = c.size("num_attention_heads"), c.size("hidden_size"), c.rope(1e6)
    head_dim, layers = c.size("head_dim", default=width // heads), c.size("num_hidden_layers")
    attention = Attention(
        heads=heads,
        kv_heads=c.size("num_key_value_heads", default=8),
        head_dim=head_dim,
        qk_norm=True,
        rope_theta=rope.theta,
        rotary_dim=rope.rotary_dim(head_dim),
    )
    attends = c.find("full_attn_idxs", default=range(layers))
    default = ["full_attention" if index in attends else "conv" for index in range(layers)]
    mixers: Mapping[str, Operator] = {
        "full_attention": attention,
        "conv": ShortConv(kernel=c.size("conv_L_cache", default=3)),
    }
    hidden = SwiGLU(hidden=_hidden(c))
    return Architecture(
        width=width,
        vocab_size=c.size("vocab_size"),
        tied_embeddings=c.flag("tie_embedding", "tie_word_embeddings", default=True),
        norm_eps=c.number("norm_eps", 1e-5),
        blocks=tuple(block for mixer in c.layer_types(mixers, default) for block in (mixer, hidden)),
    )


def _hidden(c: Config) -> int:
    """Feed-forward width: as the configuration says, or two thirds of it rounded up, as Llama 1 counted."""
    hidden = c.size("block_ff_dim", "intermediate_size")
    if not c.flag("block_auto_adjust_ff_dim", default=True):
        return hidden
    multiple = c.size("block_multiple_of", default=256)
    adjusted = int(c.number("block_ffn_dim_multiplier", 1.0) * int(2 * hidden / 3))
    return -(-adjusted // multiple) * multiple


LFM2 = ModelClass(
    "Lfm2ForCausalLM",
    architecture,
    layer=(Slot("operator_norm", MIXER), Slot("ffn_norm", FEED_FORWARD)),
    final_norm="embedding_norm",
)
