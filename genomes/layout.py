"""Layouts: the scale-free, readable meaning of a genome.

Text form: blocks separated by spaces, each `operator` or `operator(value, name=value, ...)`, for example
`short_conv(3) swiglu(4) attention(kv=1/4) swiglu(4)`. Numbers are whole, decimal or fractions; flags are
`yes` or `no`; `none` where a setting may be absent. What is left out takes the operator's default. Lengths in
tokens are whole numbers or, below 1, shares of the context: `attention(window=1/4)`.

`attention(cache=@2)` shares its cache with block 2, counted from 0; so do `weights=`, `keys=` and `values=`.
`attention-attention` is the difference of two mixers; what it shares is written on the first.
`2x[attention swiglu(4)]` is read as the group twice, the second time with the weights of the first.

What it is stored in where it is deployed stands at the end, `... swiglu(4) weights=int4 cache=int8`; what is
left out is stored as the arithmetic.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from itertools import groupby
from typing import Any, get_args

from pydantic import ValidationError

from genomes.architecture import Architecture
from genomes.errors import InvalidInput, describe
from genomes.layout_text import Closing, Mixer, Opening, Storing, read_donor, read_value, show_value, tokens
from genomes.operators import Difference, Operator, Share, Value, What, operator_class
from genomes.scale import MAX_BLOCKS, Scale
from genomes.sharing import check_shares, place_shares
from genomes.stored import CacheDtype, WeightDtype, check_stored, own_types

_SHAREABLE: tuple[What, ...] = get_args(What)
_NOMINAL = Scale(width=1024, head_dim=64)


@dataclass(frozen=True)
class Block:
    """One block of a layout: an operator's name and all its settings, in the operator's order.

    `minus` is the second mixer of a difference. `shares` name blocks of the same layout, in the order
    weights, cache, keys, values.
    """

    op: str
    settings: tuple[tuple[str, Value], ...] = ()
    minus: "Block | None" = None
    shares: tuple[Share, ...] = ()

    def __post_init__(self) -> None:
        if self.minus is not None:
            for op in (self.op, self.minus.op):
                if (kind := operator_class(op).kind) in ("memoryless", "skip"):
                    raise InvalidInput(f"{self}: a difference takes two mixers; {op} is of kind {kind}")
            if self.minus.minus is not None:
                raise InvalidInput(f"{self}: a difference takes two mixers, none of them one")
            if self.minus.shares:
                raise InvalidInput(f"{self}: a difference shares as a whole; write it on the first mixer")
        ordered = sorted(self.shares, key=lambda share: _SHAREABLE.index(share.what))
        object.__setattr__(self, "shares", tuple(ordered))

    @classmethod
    def of(cls, op: str, values: Mapping[str, Value]) -> "Block":
        """A block with defaults filled in. Raises `InvalidInput` on unknown or illegal settings."""
        operator = operator_class(op)
        if operator is Difference:
            operator.at(_NOMINAL, values)  # says how to write one
        known = operator.settings
        for name, value in values.items():
            if name not in known:
                legal = ", ".join(known) or "none"
                raise InvalidInput(f"{op} has no setting {name!r}; its settings: {legal}")
            if not known[name].admits(value):
                raise InvalidInput(
                    f"{op}: {name} = {show_value(value)} is not legal; legal: {known[name].legal}"
                )
        return cls(op, tuple((name, values.get(name, setting.default)) for name, setting in known.items()))

    @property
    def operator(self) -> type[Operator]:
        """The operator's value class; of a difference, that of its first mixer."""
        return operator_class(self.op)

    @property
    def alone(self) -> "Block":
        """The block without its shares."""
        return replace(self, shares=()) if self.shares else self

    def at(self, scale: Scale) -> Operator:
        """The block's operator at a scale, without its shares: `Layout.at` places them."""
        minus = None if self.minus is None else self.minus.operator
        try:
            return _sized(self.alone, scale, self.operator, minus)
        except (InvalidInput, ValidationError) as error:
            reason = describe(error) if isinstance(error, ValidationError) else error
            raise InvalidInput(
                f"{self} at width {scale.width}, head_dim {scale.head_dim}: {reason}"
            ) from None

    def __str__(self) -> str:
        arguments = []
        for index, (name, value) in enumerate(self.settings):
            if index == 0 and self.operator.positional:
                arguments.append(show_value(value))
            elif value != self.operator.settings[name].default:
                arguments.append(f"{name}={show_value(value)}")
        arguments += [f"{share.what}=@{share.donor}" for share in self.shares]
        mixer = f"{self.op}({','.join(arguments)})" if arguments else self.op
        return mixer if self.minus is None else f"{mixer}-{self.minus}"


@dataclass(frozen=True)
class Layout:
    """An ordered list of blocks, and what it is stored in; None: as the arithmetic.

    Raises `InvalidInput` where a block shares what it cannot, or a type is none to store in.
    """

    blocks: tuple[Block, ...]
    weights: WeightDtype | None = None
    cache: CacheDtype | None = None

    def __post_init__(self) -> None:
        for what, dtype in self.stored.items():
            check_stored(what, dtype)
        if not self.blocks:
            raise InvalidInput("the layout is empty; write blocks like short_conv(3) swiglu(4)")
        if any(block.shares for block in self.blocks):
            check_shares(
                alike=[block.alone for block in self.blocks],
                shares=[block.shares for block in self.blocks],
                shareable=[_shareable(block) if block.shares else () for block in self.blocks],
                names=[str(block) for block in self.blocks],
            )

    @property
    def stored(self) -> dict[str, str]:
        """`weights` and `cache`, where they are stored in a type of their own."""
        return own_types(self.weights, self.cache)

    def __str__(self) -> str:
        stored = (f"{what}={dtype}" for what, dtype in self.stored.items())
        return " ".join((*map(str, self.blocks), *stored))

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def at(self, scale: Scale, name: str = "") -> Architecture:
        """The architecture of this layout at a scale.

        Blocks are stretched or stacked to `scale.blocks` (see `Scale.indices`). This keeps what share of the
        depth each block has (to the nearest block), ratios of width and head size, flags, shares of
        `scale.context` and lengths that are written in tokens. Sharing stays within its copy:
        a block's copy c shares with copy c of its donor, or with the last one where it has fewer, so a whole
        multiple of blocks keeps the proportion that is shared. Where fewer blocks are asked and a donor is
        left out, the first that shared with it is the owner.

        Then skips are dropped, so layouts that differ only in where they skip are one architecture. Raises
        `InvalidInput` where no block is left, fewer blocks leave out a whole kind of them, or the ratios
        give no whole sizes.
        """
        sized = [block.alone.at(scale) for block in self.blocks]
        self._check_kinds(scale)
        kept = [i for i in scale.indices(len(self)) if self.blocks[i].operator.kind != "skip"]
        if not kept:
            raise InvalidInput(f"{self}: every block is a skip; at least one must not be")
        placed = place_shares([block.shares for block in self.blocks], kept)
        blocks: list[Operator] = []
        mixers = 0
        for i, shares in zip(kept, placed, strict=True):
            # Blocks that share are one, and start alike.
            block = blocks[shares[0].donor].alone if shares else sized[i].behind(mixers)
            blocks.append(block.model_copy(update={"shares": shares}) if shares else block)
            mixers += block.kind != "memoryless"
        return Architecture(
            name=name or str(self),
            width=scale.width,
            vocab_size=scale.vocab_size,
            weights=self.weights,
            cache=self.cache,
            blocks=tuple(blocks),
        )

    def runs(self, scale: Scale) -> list[tuple[Block, int]]:
        """The blocks in their order at a scale, equal neighbours as one with their number."""
        kept = (self.blocks[i] for i in scale.indices(len(self)))
        order = groupby(block for block in kept if block.operator.kind != "skip")
        return [(block, len(list(copies))) for block, copies in order]

    def _check_kinds(self, scale: Scale) -> None:
        """Raise `InvalidInput` where too few blocks leave out all of one kind."""

        def missing(blocks: int) -> list[str]:
            indices = scale.model_copy(update={"blocks": blocks}).indices(len(self))
            kinds = {self.blocks[i].operator.kind for i in indices} | {"skip"}
            return sorted({block.operator.kind for block in self.blocks} - kinds)

        if scale.blocks and scale.blocks < len(self) and (lost := missing(scale.blocks)):
            enough = next(n for n in range(scale.blocks + 1, len(self) + 1) if not missing(n))
            raise InvalidInput(
                f"{self}: {scale.repeat} to {scale.blocks} blocks leaves out every block of kind "
                f"{', '.join(lost)}; it needs {enough} blocks"
            )


@lru_cache(maxsize=4096)
def _sized(block: Block, scale: Scale, plus: type[Operator], minus: type[Operator] | None) -> Operator:
    """A block's operator at a scale, its classes being what its names mean; searches ask again and again."""
    operator = plus.at(scale, _in_tokens(block, plus, scale))
    if block.minus is not None and minus is not None:
        operator = Difference(plus=operator, minus=minus.at(scale, _in_tokens(block.minus, minus, scale)))
    operator.check(scale.width)
    return operator


def _in_tokens(block: Block, operator: type[Operator], scale: Scale) -> dict[str, Value]:
    """A mixer's settings, shares of the context made tokens."""
    values: dict[str, Value] = {}
    for name, value in block.settings:
        try:
            values[name] = operator.settings[name].at(scale.context, value)
        except InvalidInput as error:
            raise InvalidInput(f"{name} = {error}") from None
    return values


@cache
def _shareable(block: Block) -> Collection[str]:
    """What blocks like this can share; it does not depend on the scale, so ratios are left at defaults."""

    def nominal(mixer: Block) -> Block:
        settings = mixer.operator.settings
        values = {k: settings[k].default if isinstance(v, Fraction) else v for k, v in mixer.settings}
        return Block.of(mixer.op, values)

    minus = None if block.minus is None else nominal(block.minus)
    return replace(nominal(block), minus=minus).at(_NOMINAL).shareable


def repeated(blocks: Sequence[Block], group: Sequence[Block], times: int) -> tuple[Block, ...]:
    """`blocks`, then `group` that many times, each later pass with the weights of the first.

    Shared indices count from the start of `blocks`, as for the first pass. A later pass shares caches, keys
    and values within itself, or with `blocks`. Universal Transformer, arXiv 1807.03819, over a group;
    block-wise sharing of MobileLLM, arXiv 2402.14905, section 3.4, where the group is a layer.
    """
    if not group:
        raise InvalidInput("a group without blocks; write one like 2x[attention swiglu(4)]")
    most = max(1, MAX_BLOCKS // len(group))
    if not 1 <= times <= most:
        raise InvalidInput(f"{len(group)} blocks {times} times; legal: 1 to {most} times")
    start = len(blocks)

    def again(block: Block, first: int, offset: int) -> Block:
        if block.operator.kind == "skip":
            return block
        donors = {share.what: share.donor + offset * (share.donor >= start) for share in block.shares}
        donors["weights"] = next((s.donor for s in block.shares if s.what == "weights"), first)
        return replace(block, shares=tuple(Share(what=what, donor=donors[what]) for what in donors))

    passes = list(group)
    for turn in range(1, times):
        passes += [again(block, start + i, turn * len(group)) for i, block in enumerate(group)]
    return (*blocks, *passes)


def parse_layout(text: str) -> Layout:
    """Read the text form. Raises `InvalidInput` with the block's index and what is legal."""
    blocks: list[Block] = []
    group: tuple[int, int] | None = None  # how often, and the index of its first block
    stored: dict[str, Any] = {}
    try:
        for token in tokens(text):
            if stored and not isinstance(token, Storing):
                raise InvalidInput("weights= and cache= stand at the end, behind all blocks")
            match token:
                case Storing(what, dtype):
                    if what in stored:
                        raise InvalidInput(f"{what}= is given twice")
                    check_stored(what, dtype)
                    stored[what] = dtype
                case Opening(times):
                    if group is not None:
                        raise InvalidInput(f"{times}x[ inside a group; groups do not nest")
                    group = times, len(blocks)
                case Closing():
                    if group is None:
                        raise InvalidInput("] closes no group; write one like 2x[attention swiglu(4)]")
                    times, first = group
                    blocks, members = blocks[:first], blocks[first:]
                    blocks = list(repeated(blocks, members, times))
                    group = None
                case plus, *minus:
                    block = _block(plus)
                    blocks.append(replace(block, minus=_block(minus[0])) if minus else block)
        if group is not None:
            raise InvalidInput(f"the bracket of {group[0]}x[ is not closed")
    except InvalidInput as error:
        raise InvalidInput(f"layout block {len(blocks)}: {error}") from None
    return Layout(tuple(blocks), **stored)


def _block(mixer: Mixer) -> Block:
    operator = operator_class(mixer.name)
    values: dict[str, Value] = {}
    shares: dict[str, Share] = {}
    for index, (key, text) in enumerate(mixer.arguments):
        if key is None:
            if index != 0 or not operator.positional:
                raise InvalidInput(f"{mixer.name}: write {text!r} as name=value")
            key = next(iter(operator.settings))
        if key in values or key in shares:
            raise InvalidInput(f"{mixer.name}: {key} is given twice")
        try:
            if text.startswith("@") or (key in _SHAREABLE and key not in operator.settings):
                shares[key] = _share(key, text)
            else:
                values[key] = read_value(text)
        except InvalidInput as error:
            raise InvalidInput(f"{mixer.name}: {key} = {error}") from None
    return replace(Block.of(mixer.name, values), shares=tuple(shares.values()))


def _share(key: str, text: str) -> Share:
    for what in _SHAREABLE:
        if key == what:
            return Share(what=what, donor=read_donor(text))
    raise InvalidInput(f"{text!r} is for what blocks can share: {', '.join(_SHAREABLE)}")
