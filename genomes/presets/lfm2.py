"""The space that LFM2 was found in."""

from genomes.rules import Alternate
from genomes.space import SearchSpace, block_class

LFM2 = SearchSpace(
    name="lfm2",
    description=(
        "The operators that LFM2's search could choose from, in layers of a mixer and a feed-forward (LFM2 "
        "technical report, arXiv 2511.23404, section 2). Gated short convolutions, sliding-window and linear "
        "attention, state-space models, grouped-query attention with QK norm, SwiGLU of several widths. Its "
        "Liquid-S4, RTF and CfC are left out; S4 is its diagonal form."
    ),
    classes=(
        block_class("short_conv", *(f"short_conv({length})" for length in (3, 4, 5, 7)), weight=2.0),
        block_class(
            "attention",
            "attention(qk_norm=yes)",
            "attention(kv=1/2,qk_norm=yes)",
            "attention(kv=1/4,qk_norm=yes)",
            weight=2.0,
        ),
        block_class(
            "window_attention",
            *(f"attention(kv=1/4,window={window},qk_norm=yes)" for window in ("1/16", "1/8", "1/4")),
        ),
        block_class("linear_attention", "linear_attention"),
        block_class("s4d", "s4d"),
        block_class("s5", "s5"),
        block_class("mamba", "s6(expand=2,kernel=4,gated=yes)"),
        block_class("mamba2", "mamba2(state=1)", "mamba2(state=2)"),
        block_class("swiglu", "swiglu(2)", "swiglu(8/3)", "swiglu(4)", "swiglu(9/2)", weight=9.0),
        block_class("moe", "moe(1)", "moe(2)"),
    ),
    blocks=12,
    rules=(Alternate(),),
    references=("transformer++", "lfm2", "mamba2-hybrid"),
)
