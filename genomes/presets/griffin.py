"""The space around Griffin."""

from genomes.rules import Alternate
from genomes.space import SearchSpace, block_class

GRIFFIN = SearchSpace(
    name="griffin",
    description=(
        "Real-gated linear recurrences, local attention and GeGLU in layers of a mixer and a feed-forward "
        "(Griffin and Hawk, arXiv 2402.19427). Positions are on half of each head, as in RecurrentGemma "
        "(2404.07839). Windows are those of short proxies: Griffin's 1024 tokens would be all of them."
    ),
    classes=(
        block_class("rg_lru", "rg_lru", "rg_lru(expand=5/4)", "rg_lru(expand=3/2)", weight=2.0),
        block_class(
            "window_attention",
            *(f"attention(kv=1/4,window={window},rotary=1/2)" for window in (16, 32, 64, 128)),
        ),
        block_class("geglu", "geglu(2)", "geglu(3)", "geglu(4)", weight=3.0),
    ),
    blocks=12,
    rules=(Alternate(),),
    references=("transformer++", "griffin"),
)
