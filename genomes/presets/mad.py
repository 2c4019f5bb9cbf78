"""The registry of MAD."""

from genomes.rules import Alternate
from genomes.space import SearchSpace, block_class

MAD = SearchSpace(
    name="mad",
    description=(
        "The mixers of MAD, two layers of a sequence mixer and a channel mixer (arXiv 2403.17844; registry "
        "and sizes as in github.com/athms/mad-lab). With the key/value ratio and the feed-forward width of "
        "StripedHyena-7B, a striped hybrid as MAD finds best. The window is a quarter of the context. RWKV "
        "and Hyena experts are left out."
    ),
    classes=(
        block_class("attention", "attention", "attention(kv=1/4)"),
        block_class("window_attention", "attention(window=1/4)"),
        block_class("linear_attention", "linear_attention"),
        block_class("gated_linear_attention", "gated_linear_attention"),
        block_class("hyena", "hyena(horizon=1/4)"),
        block_class("mamba", "s6(state=4,expand=2,kernel=4,gated=yes)"),
        block_class("mlp", "mlp(4)"),
        block_class("swiglu", "swiglu(8/3)", "swiglu(7/2)"),
        # Experts of 16 channels at width 128.
        block_class("moe", "moe(1/8)"),
    ),
    blocks=4,
    rules=(Alternate(),),
    references=("transformer++", "striped-hyena", "gla"),
)
