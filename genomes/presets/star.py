"""The space of STAR."""

from genomes.rules import Count
from genomes.space import SearchSpace, Sharing
from genomes.star import LIV_CLASSES

STAR = SearchSpace(
    name="star",
    description=(
        "The 17 operator classes of STAR with its sharing of weights and features, 24 blocks (arXiv "
        "2411.17800). Five integers a block, as published; how many sharing groups there are is ours. No "
        "layout that STAR found is public, so its references are like what it was compared with."
    ),
    # Half of all blocks in released models are feed-forward: weigh them like the mixers together.
    classes=tuple(liv.letter._replace(weight=16.0 if liv.name == "GMemless" else 1.0) for liv in LIV_CLASSES),
    blocks=24,
    rules=(
        Count(kinds=("attention", "recurrence", "convolution"), at_least=1),
        Count(kinds=("memoryless",), at_least=1),
    ),
    references=("transformer++", "striped-hyena", "mamba2-hybrid"),
    sharing=Sharing(groups=4),
)
