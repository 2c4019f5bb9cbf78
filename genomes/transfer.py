"""Whether what is trained at a proxy is what is priced at a target.

A window of 32 tokens sees most of a sequence of 64 and next to nothing of 4,096; one of 128 is full attention
at the proxy and a cheap window at the target. So windows and filters are shares of the context, or small
beside the proxy's sequences, and what a proxy cannot tell apart must be one thing at the target too.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from genomes.errors import InvalidInput
from genomes.layout import Block
from genomes.operators import Operator
from genomes.scale import Scale

WIDEST = Fraction(1, 4)
"""Share of the context that a window or filter may span, so that most distances lie beyond it."""


class Span(NamedTuple):
    """A window or filter of a block."""

    setting: str
    value: Fraction
    """Whole tokens or, below 1, a share of the context."""
    least: Fraction | int
    """Fewest tokens that are legal."""

    @property
    def is_share(self) -> bool:
        """Whether it is a share of the context."""
        return self.value < 1

    def share(self, length: int) -> Fraction:
        """The share of a sequence that it spans."""
        return self.value if self.is_share else self.value / length

    @property
    def shortest(self) -> int:
        """Tokens of the shortest sequence that has room for it; a share that is too wide has none."""
        return ceil(self.least / self.value if self.is_share else self.value / WIDEST)

    def __str__(self) -> str:
        return f"{self.setting} = {self.value}{' of the context' if self.is_share else ' tokens'}"


def spans(block: Block) -> Iterator[Span]:
    """The windows and filters that a block's settings give, of both mixers of a difference."""
    for part in (block,) if block.minus is None else (block, block.minus):
        for name, value in part.operator.lengths(dict(part.settings)).items():
            yield Span(name, value, part.operator.settings[name].minimum)


def shortest_length(blocks: Iterable[Block]) -> int:
    """Tokens of the shortest sequences that have room for all windows and filters of these blocks."""
    return max((span.shortest for block in blocks for span in spans(block)), default=1)


def check_spans(blocks: Mapping[str, Block], length: int) -> None:
    """Raise `InvalidInput` where a window or filter spans too much of sequences of `length` tokens.

    Blocks are named by where they stand. The widest is named, with what is legal and what to do.
    """
    wide = [
        (span.share(length), where, span)
        for where, block in blocks.items()
        for span in spans(block)
        if span.share(length) > WIDEST
    ]
    if not wide:
        return
    _, where, span = max(wide, key=lambda each: each[0])
    enough = shortest_length(blocks.values())
    longer = "" if all(span.is_share for _, _, span in wide) else f"take at least {enough} tokens, or "
    others = f", the widest of {len(wide)} that are too wide" if len(wide) > 1 else ""
    raise InvalidInput(
        f"{where}: {span} with sequences of {length} tokens{others}; legal: at most {int(length * WIDEST)} "
        f"tokens, or a share of the context up to {WIDEST}; {longer}write a smaller one"
    )


def check_twins(blocks: Mapping[str, Block], proxy: Scale, target: Scale) -> None:
    """Raise `InvalidInput` where two blocks are one function at the proxy and two at the target.

    Training could not tell them apart, and the cheaper one would win. Both are named, with their sizes and
    what tells them apart.
    """
    seen: dict[str, dict[str, str]] = {}
    for where, block in blocks.items():
        twins = seen.setdefault(_form(block, proxy), {})
        form = _form(block, target)
        for other_form, other in twins.items():
            if other_form != form:
                remedy = _told_apart(blocks[other], block, proxy, target)
                raise InvalidInput(
                    f"{other} and {where} are one function at the proxy ({_sizes(block, proxy)}) and two at "
                    f"the target ({_sizes(blocks[other], target)} and {_sizes(block, target)}); legal: "
                    f"classes that differ at the proxy too; {remedy}"
                )
        twins[form] = where


def _canonical(block: Block, scale: Scale) -> Operator:
    return block.at(scale).canonical(scale.context)


def _form(block: Block, scale: Scale) -> str:
    """What a block computes for sequences of the scale's context: equal where two blocks are one function."""
    return json.dumps(_canonical(block, scale).to_dict(), sort_keys=True)


def _sizes(block: Block, scale: Scale) -> str:
    fields = _canonical(block, scale).to_dict(exclude_defaults=True)
    return " ".join([fields.pop("op"), *(f"{name}={value}" for name, value in fields.items())])


def _told_apart(first: Block, second: Block, proxy: Scale, target: Scale) -> str:
    """The smallest proxy that tells two blocks apart, doubling its width, then its sequences."""
    for name, words, most in (
        ("width", "a proxy of width {} tells them apart", target.width),
        ("context", "sequences of {} tokens tell them apart", target.context or 0),
    ):
        size = 2 * (getattr(proxy, name) or most)
        while size <= most:
            larger = proxy.model_copy(update={name: size})
            try:
                if _form(first, larger) != _form(second, larger):
                    return words.format(size)
            except InvalidInput:  # no whole sizes there
                pass
            size *= 2
    return "leave one of them out"
