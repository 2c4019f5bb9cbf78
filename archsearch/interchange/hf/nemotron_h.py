"""Nemotron-H: Mamba-2, attention without positions and squared-ReLU feed-forwards, in any order.

transformers `models/nemotron_h`.
"""

from collections.abc import Mapping
from typing import Any

from archsearch.interchange.hf import mamba2
from archsearch.interchange.hf.config import Config
from archsearch.interchange.hf.table import ModelClass, Slot, TensorRow
from genomes import MLP, Architecture, Attention, Mamba2, Operator

BLOCK: dict[str, tuple[TensorRow, ...]] = {
    "attention": (
        TensorRow("q", "mixer.q_proj.weight", "matrix"),
        TensorRow("k", "mixer.k_proj.weight", "matrix"),
        TensorRow("v", "mixer.v_proj.weight", "matrix"),
        TensorRow("out", "mixer.o_proj.weight", "matrix"),
    ),
    "mamba2": mamba2.mixer("mixer"),
    "mlp": (
        TensorRow("up", "mixer.up_proj.weight", "matrix"),
        TensorRow("down", "mixer.down_proj.weight", "matrix"),
    ),
}
LETTERS = {"M": "linear_attention", "*": "full_attention", "-": "mlp"}
"""Letters of `hybrid_override_pattern`, the older form of the list of layers."""


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of a `NemotronHForCausalLM`.

    transformers clamps the steps of a prompt from below at `time_step_min` (0.001 by default), those of
    decoding not at all; here neither is.
    """
    c = Config(config)
    for key in ("attention_bias", "mlp_bias", "use_bias", "mamba_proj_bias", "tie_word_embeddings"):
        c.only(key, False)
    c.only("use_conv_bias", True)
    c.only("mlp_hidden_act", "relu2")
    c.only("mamba_hidden_act", "silu")
    c.only("sliding_window", None)
    attention_heads = c.size("num_attention_heads", default=32)
    mamba = Mamba2(
        heads=c.size("mamba_num_heads", default=128),
        head_dim=c.size("mamba_head_dim", default=64),
        state_dim=c.size("ssm_state_size", default=128),
        groups=c.size("n_groups", "mamba_n_groups", default=8),
        kernel=c.size("conv_kernel", "mamba_d_conv", default=4),
    )
    attention = Attention(
        heads=attention_heads,
        kv_heads=c.size("num_key_value_heads", default=8),
        head_dim=c.size("head_dim", "attention_head_dim", default=128),
        rope_theta=None,
    )
    kinds: Mapping[str, Operator] = {
        "linear_attention": mamba,
        "full_attention": attention,
        "mlp": MLP(hidden=c.size("intermediate_size", default=21504), activation="relu2"),
        "mamba": mamba,
        "attention": attention,
    }
    pattern = c.find("hybrid_override_pattern", default="")
    return Architecture(
        width=c.size("hidden_size"),
        vocab_size=c.size("vocab_size"),
        tied_embeddings=False,
        norm_eps=c.number("layer_norm_epsilon", 1e-5),
        blocks=tuple(c.layer_types(kinds, [LETTERS.get(letter, letter) for letter in pattern])),
    )


NEMOTRON_H = ModelClass(
    "NemotronHForCausalLM",
    architecture,
    layer=(Slot("norm", BLOCK),),
    stem="backbone",
    embedding="embeddings",
    final_norm="norm_f",
)
