"""The space around Qwen3-Next."""

from genomes.rules import Alternate, Count
from genomes.space import SearchSpace, block_class

QWEN3_NEXT = SearchSpace(
    name="qwen3-next",
    description=(
        "Gated DeltaNet, gated attention with partial rotary positions, and SwiGLU or a mixture of experts, "
        "in layers of a mixer and a feed-forward (Qwen3-Next, 2025: arXiv 2412.06464 and 2505.06708). The "
        "experts are 8 of which 2 work, where the released model has 512 and 10."
    ),
    classes=(
        block_class("gated_deltanet", "gated_deltanet", "gated_deltanet(expand=2,key=1/2)", weight=3.0),
        block_class(
            "gated_attention",
            *(f"attention(kv={kv},qk_norm=yes,rotary=1/4,gated=yes)" for kv in ("1/2", "1/4")),
        ),
        block_class("swiglu", "swiglu(2)", "swiglu(8/3)", "swiglu(4)", weight=2.0),
        block_class("moe", "moe(1/2,shared=1/4)", "moe(5/4,shared=1/4)", weight=2.0),
    ),
    blocks=8,
    rules=(Alternate(), Count(kinds=("attention",), at_least=1)),
    references=("transformer++", "qwen3-next", "kimi-linear"),
)
