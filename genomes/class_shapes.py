"""The shape of a published class: which blocks it holds, and where each of them may stand.

Shapes are matched with blocks at explicit sizes, by facts: the fields of a block, how much of each head is
rotated (`rotary`) and how many times the width its heads fill together (`widths`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

from genomes.operators import Attention, Mamba2, Operator, operator_class


class Free(Enum):
    """What a class leaves open; all blocks of the operator have the same all the same."""

    VALUE = "any value"
    NUMBER = "any number"
    WHOLE = "any whole number"

    def admits(self, value: object) -> bool:
        """Whether the value is one of these."""
        match self:
            case Free.VALUE:
                return True
            case Free.NUMBER:
                return _is_number(value)
            case Free.WHOLE:
                return isinstance(value, int | Fraction) and value.denominator == 1


Wanted = Mapping[str, Any]
"""Facts that a class asks for: a value of each, or what is `Free`."""


@dataclass(frozen=True, eq=False)
class BlockFacts:
    """What a class may ask of a block; each is itself alone, so that it is looked at once."""

    op: str
    width: int
    """Width of the residual stream, in channels."""
    values: Mapping[str, Any]


def block_facts(block: Operator, width: int) -> BlockFacts:
    """The facts of a block in a residual stream of `width` channels."""
    values = {name: getattr(block, name) for name in type(block).model_fields}
    values["shares"] = bool(block.shares)
    match block:
        case Attention():
            # Base and rotated channels are one fact; without positions no base is left to agree on.
            del values["rotary_dim"]
            values |= {"rotary": block.rotary, "rope_theta": block.rope_theta or 0.0}
            values["widths"] = Fraction(block.inner, width)
        case Mamba2():
            values["widths"] = Fraction(block.inner, width)
    return BlockFacts(block.name, width, values)


@dataclass(frozen=True)
class Part:
    """Blocks that a class holds: an operator, with the facts that the class asks for.

    Of the others, numbers are free, flags and words are at their default.
    """

    op: str
    label: str
    """What the blocks are, for people, but for the width of their heads."""
    wanted: Wanted

    @property
    def text(self) -> str:
        """What the blocks are, for people."""
        match self.wanted.get("widths"):
            case None:
                return self.label
            case 1:
                return f"{self.label} (heads as wide together as the model)"
            case Free():
                return f"{self.label} (heads together a whole multiple of the model's width)"
            case times:
                return f"{self.label} (heads together {times} times as wide as the model)"

    @cached_property
    def fixed(self) -> Wanted:
        """The facts with one legal value."""
        fixed = {**_defaults(self.op), **self.wanted}
        return {name: value for name, value in fixed.items() if not isinstance(value, Free)}

    @cached_property
    def open(self) -> dict[str, Free]:
        """The facts that are left open, but not to every number."""
        return {name: value for name, value in self.wanted.items() if isinstance(value, Free)}

    def matches(self, facts: BlockFacts) -> bool:
        """Whether a block is one of these."""
        return facts.op == self.op and not self.differences(facts)

    def differences(self, facts: BlockFacts) -> list[str]:
        """The facts in which a block of this operator is none of these."""
        values = facts.values
        names = [name for name, value in self.fixed.items() if name in values and values[name] != value]
        return names + [name for name, free in self.open.items() if not free.admits(values[name])]

    def free(self, facts: BlockFacts) -> dict[str, Any]:
        """What a block of this part must have in common with the others of its operator."""
        return {name: value for name, value in facts.values.items() if name not in self.fixed}

    def misfit(self, facts: BlockFacts) -> str:
        """Why a block of this operator is none of these."""
        name = self.differences(facts)[0]
        value, legal = facts.values[name], self.wanted.get(name, self.fixed.get(name))
        if name == "shares":
            return "it shares with another block"
        if name == "widths" and not isinstance(legal, Free):
            return f"its heads are {value * facts.width} wide together; {legal * facts.width} is needed"
        return f"{name} = {_shown(value)}; legal: {_shown(legal)}"


@dataclass(frozen=True)
class ClassShape:
    """What a class holds, and what it cannot do without."""

    mixers: tuple[Part, ...]
    feed_forwards: tuple[Part, ...] = ()
    layered: bool = True
    """Whether each layer is a mixer and a feed-forward, or each block stands for itself in any order."""
    needs: tuple[str, ...] = ("attention",)
    """Operators without which generation fails, since the class makes its cache of theirs."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts."""
        return self.mixers + self.feed_forwards

    @property
    def text(self) -> str:
        """What it holds, for people."""
        mixers, others = (
            " or ".join(dict.fromkeys(part.text for part in parts))
            for parts in (self.mixers, self.feed_forwards)
        )
        if not others:
            return mixers
        return f"{mixers}, then {others}" if self.layered else f"{mixers} or {others}, in any order"

    def restricted(self, needs: Iterable[str], asks: Mapping[str, Wanted]) -> "ClassShape":
        """The shape with further needs, and further facts that blocks of an operator must have."""

        def further(parts: tuple[Part, ...]) -> tuple[Part, ...]:
            return tuple(replace(part, wanted={**part.wanted, **asks.get(part.op, {})}) for part in parts)

        return replace(
            self,
            mixers=further(self.mixers),
            feed_forwards=further(self.feed_forwards),
            needs=tuple(dict.fromkeys((*self.needs, *needs))),
        )

    def holds(self, facts: BlockFacts) -> bool:
        """Whether the class holds the block somewhere."""
        return any(part.matches(facts) for part in self.parts)

    def missing(self, blocks: Iterable[BlockFacts | None]) -> list[str]:
        """The needed operators that no block is."""
        present = {block.op for block in blocks if block is not None}
        return [op for op in self.needs if op not in present]

    def places(self, op: str, length: int) -> set[int]:
        """The places where an operator may stand."""
        return {i for i in range(length) if any(part.op == op for part in self._at(i))}

    def misfits(self, blocks: Sequence[BlockFacts | None]) -> dict[int, str]:
        """Why blocks cannot stand where they do, by their place; None is a block that no class holds."""
        why: dict[int, str] = {}
        free: dict[str, dict[int, Mapping[str, Any]]] = {}
        for i, facts in enumerate(blocks):
            match self._fit(i, facts):
                case str(reason):
                    why[i] = reason
                case values:
                    free.setdefault(facts.op if facts else "", {})[i] = values
        if self.layered and len(blocks) % 2:
            why[len(blocks) - 1] = "its layer has no feed-forward"
        for by_place in free.values():
            why = _uneven(by_place) | why
        return why

    def _at(self, place: int) -> tuple[Part, ...]:
        if not self.layered:
            return self.parts
        return self.feed_forwards if place % 2 else self.mixers

    def _fit(self, place: int, facts: BlockFacts | None) -> str | Mapping[str, Any]:
        """Why a block cannot stand in its place, else what it must have in common with its like."""
        key = place % 2, facts
        if key not in self._fits:
            parts = self._at(place)
            fitting = [] if facts is None else [part for part in parts if part.matches(facts)]
            self._fits[key] = fitting[0].free(facts) if facts and fitting else _unlike(parts, facts)
        return self._fits[key]

    @cached_property
    def _fits(self) -> dict[tuple[int, BlockFacts | None], str | Mapping[str, Any]]:
        """What `_fit` knows already: a search asks for the same blocks again and again."""
        return {}


def _uneven(by_place: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
    """Why blocks of one operator differ from the others, by their place."""
    first, *others = by_place.values()
    if all(values is first for values in others):
        return {}
    why: dict[int, str] = {}
    for name in {name: None for values in by_place.values() for name in values}:
        values = {i: free[name] for i, free in by_place.items() if name in free}
        common = Counter(values.values()).most_common(1)[0][0]
        for i, value in values.items():
            if value != common:
                why.setdefault(i, f"{name} = {_shown(value)}; legal: {_shown(common)}, as in the others")
    return why


def _unlike(parts: tuple[Part, ...], facts: BlockFacts | None) -> str:
    alike = [part for part in parts if facts is not None and part.op == facts.op]
    if facts is None or not alike:
        return f"legal: {' or '.join(dict.fromkeys(part.text for part in parts))}"
    return min(alike, key=lambda part: len(part.differences(facts))).misfit(facts)


@cache
def _defaults(op: str) -> dict[str, Any]:
    """Flags, words and null at their default."""
    fields = operator_class(op).model_fields.items()
    defaults = {name: field.default for name, field in fields if not field.is_required()}
    kept = {name: value for name, value in defaults.items() if not _is_number(value)}
    return kept | {"shares": False}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Fraction) and not isinstance(value, bool)


def _shown(value: object) -> str:
    match value:
        case Free():
            return value.value
        case None:
            return "null"
        case bool():
            return str(value).lower()
    return str(value)
