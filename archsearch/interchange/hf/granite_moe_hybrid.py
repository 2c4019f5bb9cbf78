"""Granite 4 hybrids without experts: Mamba-2 or attention, then SwiGLU.

transformers `models/granitemoehybrid`.
"""

from collections.abc import Mapping
from typing import Any

from archsearch.interchange.hf import llama, mamba2
from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import Architecture, Attention, InvalidInput, Mamba2, Operator, SwiGLU

FEED_FORWARD: dict[str, tuple[TensorRow, ...]] = {
    "swiglu": (
        TensorRow("gate up", "shared_mlp.input_linear.weight", "matrix"),
        TensorRow("down", "shared_mlp.output_linear.weight", "matrix"),
    )
}


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `GraniteMoeHybridForCausalLM`.

    Logits are multiplied by the inverse of `logits_scaling`, which rounds differently from dividing.
    """
    c = Config(config)
    for key in ("attention_bias", "mamba_proj_bias"):
        c.only(key, False)
    c.only("mamba_conv_bias", True)
    c.only("hidden_act", "silu")
    mamba2.unlimited(c)
    # Published configurations without experts leave the number out, or say 0.
    if experts := c.find("num_local_experts", default=0):
        raise InvalidInput(f"config: num_local_experts = {experts!r} has no counterpart; legal: 0")
    width, heads = c.size("hidden_size"), c.size("num_attention_heads")
    layers, rope = c.size("num_hidden_layers"), c.rope()
    attention = Attention(
        heads=heads,
        kv_heads=c.size("num_key_value_heads", default=heads),
        head_dim=width // heads,
        rope_theta=rope.theta if c.find("position_embedding_type") == "rope" else None,
        score_scale=c.number("attention_multiplier", 1.0),
    )
    mamba_heads = c.size("mamba_n_heads", default=128)
    mamba = Mamba2(
        heads=mamba_heads,
        head_dim=c.size("mamba_expand", default=2) * width // mamba_heads,
        state_dim=c.size("mamba_d_state", default=256),
        groups=c.size("mamba_n_groups", default=1),
        kernel=c.size("mamba_d_conv", default=4),
    )
    mixers: Mapping[str, Operator] = {
        "linear_attention": mamba,
        "full_attention": attention,
        "mamba": mamba,
        "attention": attention,
    }
    hidden = SwiGLU(hidden=c.size("shared_intermediate_size", default=1024))
    return Architecture(
        width=width,
        vocab_size=c.size("vocab_size"),
        tied_embeddings=c.flag("tie_word_embeddings", default=False),
        norm_eps=c.number("rms_norm_eps", 1e-6),
        embedding_scale=c.number("embedding_multiplier", 1.0),
        residual_scale=c.number("residual_multiplier", 1.0),
        logit_scale=1 / c.number("logits_scaling", 1.0),
        blocks=tuple(
            block
            for mixer in c.layer_types(mixers, ["linear_attention"] * layers)
            for block in (mixer, hidden)
        ),
    )


GRANITE_MOE_HYBRID = ModelClass(
    "GraniteMoeHybridForCausalLM",
    architecture,
    layer=(
        Slot("input_layernorm", {"attention": llama.ATTENTION, "mamba2": mamba2.mixer("mamba")}),
        Slot("post_attention_layernorm", FEED_FORWARD),
    ),
)
