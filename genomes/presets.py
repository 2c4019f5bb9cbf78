"""Search spaces by name, each with its source."""

from genomes.errors import InvalidInput
from genomes.space import Rule, SearchSpace, block_class

HYBRID = SearchSpace(
    name="hybrid",
    description=(
        "Attention, gated short convolutions, three recurrences and SwiGLU in free order: the families "
        "that released small hybrid models are built of (LFM2, arXiv 2511.23404; Griffin, 2402.19427; "
        "Mamba-2 hybrids, 2405.21060; gated linear attention, 2312.06635)."
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
            "attention(kv=1/4,window=16,qk_norm=yes)",
            "attention(kv=1/4,window=32,qk_norm=yes)",
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
    rules=(Rule(("attention", "recurrence", "convolution"), at_least=2), Rule(("memoryless",), at_least=1)),
    references=("transformer++", "lfm2", "mamba2-hybrid", "griffin"),
)

PRESETS: dict[str, SearchSpace] = {space.name: space for space in (HYBRID,)}


def preset(name: str) -> SearchSpace:
    """The search space of that name. Raises `InvalidInput` listing the known ones."""
    if name not in PRESETS:
        raise InvalidInput(f"unknown search space {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]
