"""The space of Composer."""

from genomes.rules import Count
from genomes.space import SearchSpace, block_class

COMPOSER = SearchSpace(
    name="composer",
    description=(
        "Attention and feed-forward of Llama 3.2 in any order and number, 6 blocks (Composer, arXiv "
        "2510.00379). Small enough to be tried in full. Its winners have two feed-forwards to one attention; "
        "their order is not published in words, so no reference has it."
    ),
    classes=(block_class("attention", "attention(kv=1/4)"), block_class("swiglu", "swiglu(4)")),
    blocks=6,
    rules=(Count(kinds=("attention",), at_least=1), Count(kinds=("memoryless",), at_least=1)),
    references=("transformer++", "llama", "qwen3"),
)
