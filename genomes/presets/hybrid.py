"""The families that released small hybrid models are built of."""

from genomes.rules import Count
from genomes.space import SearchSpace, block_class

HYBRID = SearchSpace(
    name="hybrid",
    description=(
        "Attention, gated short convolutions, three recurrences and SwiGLU in free order: the families that "
        "released small hybrid models are built of (LFM2, arXiv 2511.23404; Griffin, 2402.19427; Mamba-2 "
        "hybrids, 2405.21060; gated linear attention, 2312.06635)."
    ),
    classes=(
        block_class(
            "attention",
            "attention(qk_norm=yes)",
            "attention(kv=1/2,qk_norm=yes)",
            "attention(kv=1/4,qk_norm=yes)",
            weight=1.5,
        ),
        block_class(
            "window_attention",
            "attention(kv=1/4,window=1/8,qk_norm=yes)",
            "attention(kv=1/4,window=1/4,qk_norm=yes)",
        ),
        block_class("short_conv", "short_conv(3)", "short_conv(4)", "short_conv(7)", weight=1.5),
        block_class("rg_lru", "rg_lru"),
        block_class("gated_linear_attention", "gated_linear_attention", "gated_linear_attention(key=1)"),
        block_class("mamba2", "mamba2(state=1)", "mamba2(state=2)"),
        # Half of all blocks in released models are feed-forward: weigh them like the mixers together.
        block_class("swiglu", "swiglu(2)", "swiglu(8/3)", "swiglu(4)", weight=6.0),
        block_class("skip", "skip", weight=0.5),
    ),
    blocks=8,
    rules=(
        Count(kinds=("attention", "recurrence", "convolution"), at_least=2),
        Count(kinds=("memoryless",), at_least=1),
    ),
    references=("transformer++", "lfm2", "mamba2-hybrid", "griffin"),
)
