"""The space around Nemotron-H."""

from genomes.rules import Count, Uniform
from genomes.space import SearchSpace, block_class

NEMOTRON_H = SearchSpace(
    name="nemotron-h",
    description=(
        "Mamba-2, attention without positions and squared-ReLU feed-forward, one mixer a layer, in free "
        "order (Nemotron-H, arXiv 2504.03624). All blocks of an operator have one size, as its released "
        "class wants, so every layout deploys as NemotronHForCausalLM."
    ),
    classes=(
        block_class("mamba2", "mamba2(state=1)", "mamba2(state=2)", weight=6.0),
        block_class("attention", "attention(kv=1/2,rope=no)", "attention(kv=1/4,rope=no)"),
        block_class("mlp", "mlp(3,relu2=yes)", "mlp(4,relu2=yes)", "mlp(21/4,relu2=yes)", weight=6.0),
    ),
    blocks=13,
    rules=(
        Count(kinds=("attention",), at_least=1),
        Count(kinds=("recurrence",), at_least=1),
        Count(kinds=("memoryless",), at_least=1),
        Uniform(setting="state", ops=("mamba2",)),
        Uniform(setting="kv", ops=("attention",)),
        Uniform(setting="ratio", ops=("mlp",)),
    ),
    references=("transformer++", "mamba2-hybrid", "nemotron-h"),
)
