"""A layout as a strip of cells, one a block: coloured by token-mixing family, labelled with its operator."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from archsearch.campaign.results import Candidate
from archsearch.reporting.charts.palette import kind_role
from genomes import Block, InvalidInput, parse_layout

_SHORT = {
    "attention": "attn",
    "short_conv": "conv",
    "gated_linear_attention": "gla",
    "linear_attention": "lin",
    "gated_deltanet": "gdn",
    "rg_lru": "rg-lru",
    "swiglu": "ffn",
    "hyena_x": "hyena-x",
    "hyena_y": "hyena-y",
    "skip": "skip",
}
_LETTER = {"kv": "", "window": "w"}
_FLAGS = {
    ("rope", False): "nope",
    ("gated", True): "gated",
    ("differential", True): "diff",
    ("relu2", True): "relu²",
}
_GLYPHS = {Fraction(1, 2): "½", Fraction(1, 4): "¼", Fraction(3, 4): "¾", Fraction(1, 8): "⅛"} | {
    Fraction(1, 3): "⅓",
    Fraction(2, 3): "⅔",
    Fraction(3, 8): "⅜",
    Fraction(1, 16): "1/16",
}
_LONGEST = 8
_WORDS = re.compile(r"[^\s(]+(?:\s*\([^()]*\))?")
_STORED = re.compile(r"(?<=\s)(?:weights|cache)=\w+(?=\s|$)")


@dataclass(frozen=True)
class BlockCell:
    """One block of a strip: `attn` over `¼`."""

    operator: str
    detail: str
    role: str
    text: str
    """The block's full text."""

    @property
    def label(self) -> str:
        """Both in one line."""
        return f"{self.operator} {self.detail}".strip()


def cells(candidate: Candidate) -> list[BlockCell]:
    """The strip of a candidate.

    A layout that this installation cannot read (an operator of a package that is missing) is shown by its
    words and by the families that the run recorded.
    """
    try:
        blocks = parse_layout(candidate.pattern).blocks
    except InvalidInput:
        words = _WORDS.findall(_STORED.sub("", candidate.pattern))
        kinds = [*candidate.kinds, *["skip"] * len(words)]
        return [_unread(word, kind_role(kind)) for word, kind in zip(words, kinds, strict=False)]
    return [BlockCell(_name(b), _detail(b), kind_role(b.operator.kind), str(b)) for b in blocks]


def stored(candidate: Candidate) -> str:
    """What it is stored in, `weights int8, cache float16`; empty where that is as the arithmetic."""
    return ", ".join(f"{what} {dtype}" for what, dtype in candidate.stored.items())


def _name(block: Block) -> str:
    """The operator; of a difference `Δattn`, or `attn-conv` where its mixers are unlike."""
    if block.minus is None:
        return _short(block.op)
    if block.minus.op == block.op:
        return f"Δ{_short(block.op)}"
    return _cut(f"{_short(block.op)}-{_short(block.minus.op)}")


def _short(op: str) -> str:
    return _cut(_SHORT.get(op, op))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _detail(block: Block) -> str:
    """The first positional setting, what is no default, and what is shared: `c@2`, the cache of block 2."""
    defaults: Mapping[str, object] = {n: s.default for n, s in block.operator.settings.items()}
    words = []
    for index, (name, setting) in enumerate(block.settings):
        first = index == 0 and block.operator.positional
        if not first and setting == defaults[name]:
            continue
        if isinstance(setting, bool):
            words += [_FLAGS[name, setting]] if (name, setting) in _FLAGS else []
        elif setting is not None:
            words.append(f"{'' if first else _LETTER.get(name, name[0])}{_number(setting)}")
    return " ".join([*words, *(f"{share.what[0]}@{share.donor}" for share in block.shares)])


def _number(value: Fraction) -> str:
    if value in _GLYPHS or value.denominator == 1 or value.denominator < 100:
        return _GLYPHS.get(value, str(value))
    return f"{float(value):.3g}" if isfinite(float(value)) else str(value)


def _unread(word: str, role: str) -> BlockCell:
    name, _, arguments = word.partition("(")
    detail = arguments.rstrip(")").split(",")[0].strip()
    return BlockCell(_short(name.strip()), detail if len(detail) <= _LONGEST else "", role, word)
