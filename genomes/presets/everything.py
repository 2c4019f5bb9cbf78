"""Every built-in family."""

from genomes.rules import Count
from genomes.space import SearchSpace, Sharing, block_class

EVERYTHING = SearchSpace(
    name="everything",
    description=(
        "Every operator that archsearch has, in free order and with sharing (each operator's module cites "
        "its source). It holds every reference layout. Too large to be searched well by a short campaign; "
        "take it as a list to copy classes from."
    ),
    classes=(
        block_class(
            "attention",
            "attention",
            "attention(qk_norm=yes)",
            "attention(kv=1/2,qk_norm=yes)",
            "attention(kv=1/4)",
            "attention(kv=1/4,qk_norm=yes)",
            "attention(kv=1/4,rope=no)",
            weight=2.0,
        ),
        block_class(
            "window_attention",
            *(f"attention(kv=1/4,window={window})" for window in ("1/16", "1/8", "1/4")),
            "attention(kv=1/4,window=1/4,rotary=1/2)",
        ),
        block_class("gated_attention", "attention(kv=1/4,qk_norm=yes,rotary=1/4,gated=yes)"),
        block_class("conv_attention", "attention(conv=3)", "attention(kv=1/4,conv=3)"),
        block_class(
            "differential_attention", "attention(differential=yes)", "attention(kv=1/4)-attention(kv=1/4)"
        ),
        block_class("mla", "mla", "mla(rank=1/8)", "mla(rope=0)"),
        block_class("short_conv", "short_conv(3)", "short_conv(4)", "short_conv(7)", weight=2.0),
        block_class("hyena", "hyena(horizon=1/4)", "hyena(filter=7)", "hyena(filter=16)"),
        block_class("hyena_x", "hyena_x(3)", "hyena_x(7)", "hyena_x(16)"),
        # hyena_y(7) and short_conv(7) are one candidate; references are written with either.
        block_class("hyena_y", "hyena_y(7)", "hyena_y(16)"),
        block_class("rg_lru", "rg_lru", "rg_lru(expand=5/4)"),
        block_class("linear_attention", "linear_attention"),
        block_class("gated_linear_attention", "gated_linear_attention", "gated_linear_attention(key=1)"),
        block_class("gated_deltanet", "gated_deltanet", "gated_deltanet(expand=2,key=1/2)"),
        block_class("kda", "kda"),
        block_class("mamba2", "mamba2(state=1)", "mamba2(state=2)"),
        block_class("s4d", "s4d"),
        block_class("s5", "s5"),
        block_class("s6", "s6", "s6(expand=2,kernel=4,gated=yes)"),
        # Half of all blocks in released models are feed-forward: weigh them like the mixers together.
        block_class(
            "swiglu", "swiglu(2)", "swiglu(8/3)", "swiglu(3)", "swiglu(7/2)", "swiglu(4)", weight=12.0
        ),
        block_class("geglu", "geglu(2)", "geglu(3)", "geglu(4)", weight=3.0),
        block_class("mlp", "mlp(4)", "mlp(4,relu2=yes)", "mlp(21/4,relu2=yes)", weight=3.0),
        block_class("moe", "moe(1)", "moe(5/4,shared=1/4)", "moe(7/4,shared=1/2)", weight=3.0),
        block_class("skip", "skip"),
    ),
    blocks=12,
    rules=(
        Count(kinds=("attention", "recurrence", "convolution"), at_least=2),
        Count(kinds=("memoryless",), at_least=1),
    ),
    references=("transformer++", "lfm2", "mobilellm", "griffin", "qwen3-next", "kimi-linear"),
    sharing=Sharing(groups=8),
)
