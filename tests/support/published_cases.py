"""A small layout of every published class."""

from genomes import Architecture, Scale, parse_layout

LAYOUTS = {
    "LlamaForCausalLM": "attention swiglu(4) attention swiglu(4)",
    "Qwen3ForCausalLM": "attention(kv=1/4,qk_norm=yes) swiglu(3)",
    "GraniteSWAForCausalLM": "attention swiglu(4) attention(window=64) swiglu(4)",
    "Lfm2ForCausalLM": "short_conv(4) swiglu(4) skip attention(kv=1/4,qk_norm=yes) swiglu(4)",
    "GraniteMoeHybridForCausalLM": "mamba2 swiglu(4) attention(kv=1/2,rope=no) swiglu(4)",
    "NemotronHForCausalLM": "mamba2 mamba2 mlp(4,relu2=yes) attention(rope=no) mamba2",
    "Qwen3_5ForCausalLM": ("gated_deltanet swiglu(4) attention(qk_norm=yes,rotary=1/4,gated=yes) swiglu(4)"),
    "Qwen3NextForCausalLM": (
        "gated_deltanet moe(1,shared=1/4) attention(qk_norm=yes,rotary=1/4,gated=yes) moe(1,shared=1/4)"
    ),
    "Mamba2ForCausalLM": "mamba2 mamba2 mamba2",
    "RecurrentGemmaForCausalLM": "rg_lru geglu(3) attention(kv=1/4,window=32,rotary=1/2) geglu(3)",
}
SMALL = Scale(width=128, head_dim=32, vocab_size=96)


def small(name: str) -> Architecture:
    """A small architecture of a class."""
    return parse_layout(LAYOUTS[name]).at(SMALL)
