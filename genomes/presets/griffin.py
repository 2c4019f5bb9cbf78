"""The space around Griffin."""

from genomes.rules import Alternate
from genomes.space import SearchSpace, block_class

GRIFFIN = SearchSpace(
    name="griffin",
    description=(
        "Real-gated linear recurrences, local attention and GeGLU in layers of a mixer and a feed-forward "
        "(Griffin and Hawk, arXiv 2402.19427). Positions are on half of each head, as in RecurrentGemma "
        "(2404.07839). Windows are shares of the context: a quarter of 4096 is Griffin's 1024 tokens."
    ),
    classes=(
        block_class("rg_lru", "rg_lru", "rg_lru(expand=5/4)", "rg_lru(expand=3/2)", weight=2.0),
        block_class(
            "window_attention",
            *(f"attention(kv=1/4,window={window},rotary=1/2)" for window in ("1/32", "1/16", "1/8", "1/4")),
        ),
        block_class("geglu", "geglu(2)", "geglu(3)", "geglu(4)", weight=3.0),
    ),
    blocks=12,
    rules=(Alternate(),),
    references=("transformer++", "griffin", "mamba2-hybrid"),
)
