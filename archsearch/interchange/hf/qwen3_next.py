"""Qwen3-Next and Qwen3.5 (text): gated DeltaNet or gated attention, then SwiGLU or experts (Qwen3-Next only).

transformers `models/qwen3_next`, `models/qwen3_5`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from archsearch.interchange.hf import llama
from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import Architecture, Attention, GatedDeltaNet, MoE, Operator, SwiGLU

ATTENTION = (
    TensorRow("q gate", "self_attn.q_proj.weight", "matrix", per="heads"),
    TensorRow("k", "self_attn.k_proj.weight", "matrix"),
    TensorRow("v", "self_attn.v_proj.weight", "matrix"),
    TensorRow("out", "self_attn.o_proj.weight", "matrix"),
    TensorRow("q_norm", "self_attn.q_norm.weight", "zero_centred"),
    TensorRow("k_norm", "self_attn.k_norm.weight", "zero_centred"),
)
DELTA_NET = (
    TensorRow("q_conv k_conv v_conv", "linear_attn.conv1d.weight", "conv"),
    TensorRow("a_log", "linear_attn.A_log"),
    TensorRow("dt_bias", "linear_attn.dt_bias"),
    TensorRow("norm", "linear_attn.norm.weight"),
    TensorRow("out", "linear_attn.out_proj.weight", "matrix"),
)
NEXT_INPUTS = (
    TensorRow("q k v z", "linear_attn.in_proj_qkvz.weight", "matrix", per="key_heads"),
    TensorRow("b a", "linear_attn.in_proj_ba.weight", "matrix", per="key_heads"),
)
INPUTS = (
    TensorRow("q k v", "linear_attn.in_proj_qkv.weight", "matrix"),
    TensorRow("z", "linear_attn.in_proj_z.weight", "matrix"),
    TensorRow("b", "linear_attn.in_proj_b.weight", "matrix"),
    TensorRow("a", "linear_attn.in_proj_a.weight", "matrix"),
)


EXPERTS = (
    TensorRow("router", "mlp.gate.weight", "matrix"),
    TensorRow("gate", "mlp.experts.{}.gate_proj.weight", "matrix"),
    TensorRow("up", "mlp.experts.{}.up_proj.weight", "matrix"),
    TensorRow("down", "mlp.experts.{}.down_proj.weight", "matrix"),
    TensorRow("shared_gate", "mlp.shared_expert.gate_proj.weight", "matrix"),
    TensorRow("shared_up", "mlp.shared_expert.up_proj.weight", "matrix"),
    TensorRow("shared_down", "mlp.shared_expert.down_proj.weight", "matrix"),
    TensorRow("shared_router", "mlp.shared_expert_gate.weight", "matrix"),
)


def qwen3_next(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `Qwen3NextForCausalLM`."""
    c = Config(config)
    layers, hidden = range(c.size("num_hidden_layers")), SwiGLU(hidden=c.size("intermediate_size"))
    dense, step = c.find("mlp_only_layers", default=[]), c.size("decoder_sparse_step", default=1)
    sparse = [layer not in dense and (layer + 1) % step == 0 for layer in layers]
    if not any(sparse) or c.find("num_experts") == 0:
        return _architecture(c, [hidden for _ in layers])
    experts = MoE(
        experts=c.size("num_experts", default=512),
        top_k=c.size("num_experts_per_tok", default=10),
        hidden=c.size("moe_intermediate_size", default=512),
        shared_hidden=c.size("shared_expert_intermediate_size", default=512),
        shared_gated=True,
        normalise=c.flag("norm_topk_prob", default=True),
    )
    return _architecture(c, [experts if routed else hidden for routed in sparse])


def qwen3_5(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `Qwen3_5ForCausalLM`."""
    c = Config(config)
    hidden = SwiGLU(hidden=c.size("intermediate_size"))
    return _architecture(c, [hidden] * c.size("num_hidden_layers"))


def _architecture(c: Config, feed_forwards: Sequence[Operator]) -> Architecture:
    c.only("attention_bias", False)
    c.only("hidden_act", "silu")
    heads, head_dim, rope = c.size("num_attention_heads"), c.size("head_dim", default=256), c.rope(share=0.25)
    kinds: Mapping[str, Operator] = {
        "linear_attention": GatedDeltaNet(
            key_heads=c.size("linear_num_key_heads", default=16),
            value_heads=c.size("linear_num_value_heads", default=32),
            key_dim=c.size("linear_key_head_dim", default=128),
            value_dim=c.size("linear_value_head_dim", default=128),
            conv=c.size("linear_conv_kernel_dim", default=4),
        ),
        "full_attention": Attention(
            heads=heads,
            kv_heads=c.size("num_key_value_heads", default=heads),
            head_dim=head_dim,
            qk_norm=True,
            gated=True,
            rope_theta=rope.theta,
            rotary_dim=rope.rotary_dim(head_dim),
        ),
    }
    period = c.size("full_attention_interval", default=4)
    default = [
        "linear_attention" if (layer + 1) % period else "full_attention"
        for layer in range(len(feed_forwards))
    ]
    mixers = c.layer_types(kinds, default)
    return Architecture(
        width=c.size("hidden_size"),
        vocab_size=c.size("vocab_size"),
        tied_embeddings=c.flag("tie_word_embeddings", default=False),
        norm_eps=c.number("rms_norm_eps", 1e-6),
        blocks=tuple(block for layer in zip(mixers, feed_forwards, strict=True) for block in layer),
    )


QWEN3_NEXT = ModelClass(
    "Qwen3NextForCausalLM",
    qwen3_next,
    layer=(
        Slot("input_layernorm", {"attention": ATTENTION, "gated_deltanet": NEXT_INPUTS + DELTA_NET}),
        Slot(llama.FEED_FORWARD.norm, {**llama.FEED_FORWARD.operators, "moe": EXPERTS}),
    ),
    norm_form="zero_centred",
)
QWEN3_5 = ModelClass(
    "Qwen3_5ForCausalLM",
    qwen3_5,
    layer=(
        Slot("input_layernorm", {"attention": ATTENTION, "gated_deltanet": INPUTS + DELTA_NET}),
        llama.FEED_FORWARD,
    ),
    norm_form="zero_centred",
)
