"""The space around MobileLLM."""

from genomes.rules import Alternate
from genomes.space import Recurrence, SearchSpace, block_class

MOBILELLM = SearchSpace(
    name="mobilellm",
    description=(
        "Grouped-query attention and SwiGLU, deep and thin, each layer run twice with the same weights "
        "(MobileLLM-LS, arXiv 2402.14905, section 3.4). A genome spells half the blocks; the ratios are "
        "those of its models, or near them."
    ),
    classes=(
        block_class("attention", "attention", "attention(kv=1/2)", "attention(kv=1/4)"),
        block_class("swiglu", "swiglu(2)", "swiglu(8/3)", "swiglu(14/5)", "swiglu(4)"),
    ),
    blocks=8,
    rules=(Alternate(),),
    references=("transformer++", "llama", "mobilellm"),
    recurrence=Recurrence(group=2, times=2),
)
