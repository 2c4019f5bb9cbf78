"""Layouts: the scale-free, readable meaning of a genome.

Text form: blocks separated by spaces, each `operator` or `operator(value, name=value, ...)`, for example
`short_conv(3) swiglu(4) attention(kv=1/4) swiglu(4)`. Numbers are whole, decimal or fractions; flags are
`yes` or `no`; `none` where a setting may be absent. What is left out takes the operator's default.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from pydantic import ValidationError

from genomes.architecture import Architecture, describe
from genomes.errors import InvalidInput
from genomes.operators import Operator, Value, operator_class
from genomes.scale import Scale

_BLOCK = re.compile(r"\s*(?P<name>[A-Za-z_][\w-]*)\s*(?:\((?P<arguments>[^()]*)\))?")
_NUMBER = re.compile(r"[+-]?(\d+(/\d+)?|\d*\.\d+)", re.ASCII)
_WORDS: dict[str, Value] = {"yes": True, "no": False, "none": None}


@dataclass(frozen=True)
class Block:
    """One block of a layout: an operator's name and all its settings, in the operator's order."""

    op: str
    settings: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, op: str, given: Mapping[str, Value]) -> "Block":
        """A block with defaults filled in. Raises `InvalidInput` on unknown or illegal settings."""
        known = operator_class(op).settings
        for name, value in given.items():
            if name not in known:
                legal = ", ".join(known) or "none"
                raise InvalidInput(f"{op} has no setting {name!r}; its settings: {legal}")
            if not known[name].admits(value):
                raise InvalidInput(f"{op}: {name} = {_show(value)} is not legal; legal: {known[name].legal}")
        return cls(op, tuple((name, given.get(name, setting.default)) for name, setting in known.items()))

    @property
    def operator(self) -> type[Operator]:
        """The operator's value class."""
        return operator_class(self.op)

    def at(self, scale: Scale) -> Operator:
        """The block's operator at a scale."""
        try:
            operator = self.operator.at(scale, dict(self.settings))
            operator.check(scale.width)
        except (InvalidInput, ValidationError) as error:
            reason = describe(error) if isinstance(error, ValidationError) else error
            raise InvalidInput(
                f"{self} at width {scale.width}, head_dim {scale.head_dim}: {reason}"
            ) from None
        return operator

    def __str__(self) -> str:
        arguments = []
        for index, (name, value) in enumerate(self.settings):
            if index == 0 and self.operator.positional:
                arguments.append(_show(value))
            elif value != self.operator.settings[name].default:
                arguments.append(f"{name}={_show(value)}")
        return f"{self.op}({','.join(arguments)})" if arguments else self.op


@dataclass(frozen=True)
class Layout:
    """An ordered list of blocks."""

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if not self.blocks:
            raise InvalidInput("the layout is empty; write blocks like short_conv(3) swiglu(4)")

    def __str__(self) -> str:
        return " ".join(str(block) for block in self.blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def at(self, scale: Scale, name: str = "") -> Architecture:
        """The architecture of this layout at a scale.

        Blocks are stretched or stacked to `scale.blocks`, then skips are dropped, so layouts that differ
        only in where they skip are one architecture. Raises `InvalidInput` where no block is left or the
        ratios give no whole sizes.
        """
        sized = {block: block.at(scale) for block in dict.fromkeys(self.blocks)}
        count = scale.blocks or len(self)
        stack = (sized[self.blocks[scale.index(i, len(self))]] for i in range(count))
        blocks = tuple(block for block in stack if block.kind != "skip")
        if not blocks:
            raise InvalidInput(f"{self}: every block is a skip; at least one must not be")
        return Architecture(
            name=name or str(self), width=scale.width, vocab_size=scale.vocab_size, blocks=blocks
        )


def parse_layout(text: str) -> Layout:
    """Read the text form. Raises `InvalidInput` with the block's index and what is legal."""
    blocks: list[Block] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _BLOCK.match(text, position)
        where = f"layout block {len(blocks)}"
        if match is None or not _ends_block(text, match.end()):
            raise InvalidInput(
                f"{where}: cannot read {text[position : position + 40].strip()!r}; "
                "write blocks like short_conv(3) or attention(kv=1/4)"
            )
        try:
            blocks.append(_parse_block(match["name"], match["arguments"]))
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error}") from None
        position = match.end()
    return Layout(tuple(blocks))


def _ends_block(text: str, position: int) -> bool:
    return position == len(text) or text[position].isspace() or text[position - 1].isspace()


def _parse_block(name: str, arguments: str | None) -> Block:
    operator = operator_class(name)
    given: dict[str, Value] = {}
    for index, argument in enumerate((arguments or "").split(",") if (arguments or "").strip() else []):
        key, equals, value = (part.strip() for part in argument.partition("="))
        if not equals:
            if index != 0 or not operator.positional:
                raise InvalidInput(f"{name}: write {argument.strip()!r} as name=value")
            key, value = next(iter(operator.settings)), key
        if key in given:
            raise InvalidInput(f"{name}: {key} is given twice")
        given[key] = _read(name, key, value)
    return Block.of(name, given)


def _read(op: str, key: str, text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _NUMBER.fullmatch(text):
            return Fraction(text)
    except (ValueError, ZeroDivisionError):  # too many digits, or a zero below the line
        pass
    raise InvalidInput(f"{op}: {key} = {text!r} is not a number, a fraction like 1/4, yes, no or none")


def _show(value: Value) -> str:
    for word, meaning in _WORDS.items():
        if value is meaning:
            return word
    return str(value)
