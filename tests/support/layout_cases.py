"""Hypothesis strategies for layouts."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import strategies as st

from genomes import Block, InvalidInput, Layout, operator_table, parse_layout
from genomes.operators import Share
from support.genome_strategies import legal

NAMES = sorted(operator_table().keys() - {"difference"})
MIXERS = [name for name in NAMES if operator_table()[name].kind not in ("memoryless", "skip")]


def block_of(names: list[str]) -> st.SearchStrategy[Block]:
    """One of these operators with any legal settings."""
    return st.sampled_from(names).flatmap(
        lambda name: st.fixed_dictionaries(
            {}, optional={key: legal(setting) for key, setting in operator_table()[name].settings.items()}
        ).map(lambda values: Block.of(name, values))
    )


plain = block_of(NAMES)
differences = st.builds(lambda plus, minus: replace(plus, minus=minus), block_of(MIXERS), block_of(MIXERS))
blocks = plain | differences

WORDS = (
    "attention(kv=1/4)",
    "attention(kv=1/4)-attention(kv=1/2,rope=no)",
    "mla",
    "mamba2",
    "short_conv(3)",
    "swiglu(8/3)",
    "skip",
)
sized = st.sampled_from(WORDS).map(lambda text: parse_layout(text).blocks[0])
"""Blocks with whole sizes at any scale of at least four heads."""


@st.composite
def sharing(draw: Callable, alphabet: st.SearchStrategy[Block]) -> Layout:
    """Layouts whose blocks share whatever is legal."""
    stack = [draw(alphabet)]
    for index in range(1, draw(st.integers(1, 8))):
        donors = st.none() | st.integers(0, index - 1)
        first = draw(donors)
        block = draw(alphabet) if first is None else stack[first].alone
        for what in ("weights", "cache", "keys", "values"):
            if first is not None and (donor := draw(donors)) is not None:
                candidate = replace(block, shares=(*block.shares, Share(what=what, donor=donor)))
                try:
                    Layout((*stack, candidate))
                except InvalidInput:
                    continue
                block = candidate
        stack.append(block)
    return Layout(tuple(stack))


layouts = sharing(blocks)
