"""What a space may ask of its layouts.

A rule says in words what it asks and what breaks it. For `repair` it also names the blocks that may be drawn
anew (`wrong`), and what may stand there instead (`fits`).
"""

from collections import Counter
from dataclasses import dataclass
from typing import get_args

from genomes.deployment import DeploysTo
from genomes.errors import InvalidInput
from genomes.layout import Block, Layout
from genomes.operators import Kind, Value, operator_class

_KINDS: tuple[Kind, ...] = get_args(Kind)


def _matches(block: Block, kinds: tuple[Kind, ...], ops: tuple[str, ...]) -> bool:
    return block.operator.kind in kinds or block.op in ops


def _named(kinds: tuple[Kind, ...], ops: tuple[str, ...]) -> str:
    """`attention or recurrence`. Raises `InvalidInput` where there is nothing, or an unknown name."""
    if unknown := set(kinds) - set(_KINDS):
        raise InvalidInput(f"a rule on kind {', '.join(sorted(unknown))}; legal: {', '.join(_KINDS)}")
    for op in ops:
        operator_class(op)
    if not kinds and not ops:
        raise InvalidInput("a rule needs kinds or operators")
    return " or ".join((*kinds, *ops))


@dataclass(frozen=True)
class Count:
    """How many blocks of some kinds, or of some operators, a layout must have."""

    kinds: tuple[Kind, ...] = ()
    at_least: int = 0
    at_most: int | None = None
    ops: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What it asks, for people."""
        names = f"{_named(self.kinds, self.ops)} blocks"
        if self.at_most is None:
            return f"at least {self.at_least} {names}"
        if self.at_least == self.at_most:
            return f"exactly {self.at_least} {names}"
        least = f"at least {self.at_least} and " if self.at_least else ""
        return f"{least}at most {self.at_most} {names}"

    def check(self, fewest: int) -> None:
        """Raise `InvalidInput` where no layout of `fewest` blocks can meet it."""
        names = _named(self.kinds, self.ops)
        if self.at_most is not None and self.at_most < self.at_least:
            raise InvalidInput(
                f"a rule needs at least {self.at_least} and allows at most {self.at_most} {names} blocks"
            )
        if self.at_least > fewest:
            raise InvalidInput(f"blocks = {fewest}, but a rule needs at least {self.at_least} {names} blocks")

    def broken_by(self, layout: Layout) -> str | None:
        """What is wrong with the layout, in words, or None."""
        count = sum(_matches(block, self.kinds, self.ops) for block in layout)
        names = _named(self.kinds, self.ops)
        if count < self.at_least:
            return f"{count} {names} blocks; at least {self.at_least} are needed"
        if self.at_most is not None and count > self.at_most:
            return f"{count} {names} blocks; at most {self.at_most} are allowed"
        return None

    def wrong(self, layout: Layout) -> list[int]:
        """All blocks of other kinds where there are too few, all of these kinds where too many."""
        counted = [_matches(block, self.kinds, self.ops) for block in layout]
        if sum(counted) < self.at_least:
            return [index for index, match in enumerate(counted) if not match]
        if self.at_most is not None and sum(counted) > self.at_most:
            return [index for index, match in enumerate(counted) if match]
        return []

    def fits(self, layout: Layout, index: int, block: Block) -> bool:
        """Whether the block counts and the one in its place does not, or the reverse."""
        counted = _matches(layout.blocks[index], self.kinds, self.ops)
        return _matches(block, self.kinds, self.ops) != counted


@dataclass(frozen=True)
class Positions:
    """Which kinds of blocks, or which operators, must stand at some positions; -1 is the last."""

    indices: tuple[int, ...]
    kinds: tuple[Kind, ...] = ()
    ops: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What it asks, for people."""
        places = ", ".join({0: "first", -1: "last"}.get(index, str(index)) for index in self.indices)
        return f"{_named(self.kinds, self.ops)} at position {places}"

    def check(self, fewest: int) -> None:
        """Raise `InvalidInput` where a layout of `fewest` blocks has no such position."""
        names = _named(self.kinds, self.ops)
        for index in self.indices:
            if not -fewest <= index < fewest:
                raise InvalidInput(
                    f"blocks = {fewest}, but a rule needs {names} at position {index}; "
                    f"legal: {-fewest} to {fewest - 1}"
                )

    def broken_by(self, layout: Layout) -> str | None:
        """What is wrong with the layout, in words, or None."""
        for index in self.wrong(layout)[:1]:
            return f"block {index} is {layout.blocks[index]}; {_named(self.kinds, self.ops)} is needed there"
        return None

    def wrong(self, layout: Layout) -> list[int]:
        """The blocks that may not stand where they do."""
        places = sorted({index % len(layout) for index in self.indices})
        return [index for index in places if not self.fits(layout, index, layout.blocks[index])]

    def fits(self, layout: Layout, index: int, block: Block) -> bool:
        """Whether the block may stand at the positions."""
        del layout, index
        return _matches(block, self.kinds, self.ops)


@dataclass(frozen=True)
class Alternate:
    """Mixers and memoryless blocks take turns, a mixer first; skips count as nothing."""

    @property
    def text(self) -> str:
        """What it asks, for people."""
        return "mixers and memoryless blocks in turn, a mixer first"

    def check(self, fewest: int) -> None:
        """Any length will do."""

    def broken_by(self, layout: Layout) -> str | None:
        """What is wrong with the layout, in words, or None."""
        for index in self.wrong(layout):
            memoryless = layout.blocks[index].operator.kind == "memoryless"
            due = "mixer" if memoryless else "memoryless block"
            return f"block {index} is {layout.blocks[index]}; a {due} is due"
        return None

    def wrong(self, layout: Layout) -> list[int]:
        """The first block out of turn: which others are depends on what comes in its place."""
        mixer_due = True
        for index, block in enumerate(layout):
            if block.operator.kind == "skip":
                continue
            if (block.operator.kind != "memoryless") != mixer_due:
                return [index]
            mixer_due = not mixer_due
        return []

    def fits(self, layout: Layout, index: int, block: Block) -> bool:
        """Whether the block is a mixer and the one in its place memoryless, or the reverse."""
        before, after = layout.blocks[index].operator.kind, block.operator.kind
        return after != "skip" and (after == "memoryless") != (before == "memoryless")


@dataclass(frozen=True)
class Uniform:
    """All blocks of these operators have the same value of a setting."""

    setting: str
    ops: tuple[str, ...]

    @property
    def text(self) -> str:
        """What it asks, for people."""
        return f"the same {self.setting} in every {' or '.join(self.ops)} block"

    def check(self, fewest: int) -> None:
        """Raise `InvalidInput` where an operator has no such setting."""
        del fewest
        for op in self.ops:
            if self.setting not in (known := operator_class(op).settings):
                raise InvalidInput(
                    f"a rule on {self.setting} of {op}; its settings: {', '.join(known) or 'none'}"
                )

    def _values(self, block: Block) -> list[Value]:
        parts = (block,) if block.minus is None else (block, block.minus)
        return [dict(part.settings)[self.setting] for part in parts if part.op in self.ops]

    def _commonest(self, layout: Layout) -> Value:
        counts = Counter(value for block in layout for value in self._values(block))
        return max(counts, key=counts.__getitem__, default=None)

    def broken_by(self, layout: Layout) -> str | None:
        """What is wrong with the layout, in words, or None."""
        for index in self.wrong(layout)[:1]:
            common = self._commonest(layout)
            return (
                f"block {index} is {layout.blocks[index]}; others have {self.setting} = {common}, and all "
                "must agree"
            )
        return None

    def wrong(self, layout: Layout) -> list[int]:
        """The blocks without the commonest value; the first one's, of equally common ones."""
        return [i for i, block in enumerate(layout) if not self.fits(layout, i, block)]

    def fits(self, layout: Layout, index: int, block: Block) -> bool:
        """Whether the block has the commonest value, or no such setting."""
        del index
        return all(value == self._commonest(layout) for value in self._values(block))


Rule = Count | Positions | Alternate | Uniform | DeploysTo
"""Any of the rules that a space may have."""
