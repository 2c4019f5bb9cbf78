"""What every operator value is: sizes, their legality, and exact accounting.

An operator is one linear input-varying system (STAR, arXiv 2411.17800, section 2) at explicit sizes. The
width `D` of the residual stream belongs to the architecture, so it is an argument here.

FLOPs are counted by one rule: a multiply-add in a projection, convolution, attention product or state
update is 2, a lone multiply in a state update is 1. Norms, activations, gates, softmax and rotary
positions are not counted. State updates are counted in their recurrent form, whatever chunked form runs, so
the FLOPs of a prompt are the sum of the FLOPs of its tokens. They are fewer only where an operator has a
cheaper form for many tokens at once (`MLA`, an implicit `Hyena`); what does not grow with the context is paid
for each token all the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from genomes.errors import InvalidInput
from genomes.scale import Scale

Kind = Literal["attention", "recurrence", "convolution", "memoryless", "skip"]
"""Token-mixing family: what the pictures colour and the rules of a space count."""

MAX_SIZE = 1 << 24
"""Largest size of a field: far above any model, and low enough that no account overflows a float."""

Value = Fraction | bool | None
"""A setting of a layout block: a number, a flag, or `none`."""


@dataclass(frozen=True)
class Setting:
    """One number, flag or `none` that a layout may give an operator (`kv=1/4`, `qk_norm=yes`)."""

    default: Value
    minimum: Fraction | int = 0
    maximum: Fraction | int = 0
    whole: bool = False
    optional: bool = False
    """Whether `none` is legal."""
    tokens: bool = False
    """Whether it is a length: whole tokens or, below 1, a share of the scale's context."""

    @property
    def legal(self) -> str:
        """The legal values, in words."""
        if isinstance(self.default, bool):
            return "yes or no"
        number = "a whole number" if self.whole or self.tokens else "a number"
        words = f"{number}{' of tokens' if self.tokens else ''} from {self.minimum} to {self.maximum}"
        words += ", or a share of the context below 1" if self.tokens else ""
        return f"{words}, or none" if self.optional else words

    def admits(self, value: Value) -> bool:
        """Whether `value` is legal."""
        if isinstance(self.default, bool) or isinstance(value, bool):
            return isinstance(self.default, bool) and isinstance(value, bool)
        if value is None:
            return self.optional
        if self.tokens and 0 < value < 1:
            return True
        if (self.whole or self.tokens) and value.denominator != 1:
            return False
        return self.minimum <= value <= self.maximum

    def at(self, context: int | None, value: Value) -> Value:
        """The value where sequences have `context` tokens: a share becomes whole tokens, rounded down.

        Raises `InvalidInput` where a share has no context to refer to, or is no legal number of tokens.
        """
        if not self.tokens or not isinstance(value, Fraction) or value >= 1:
            return value
        if context is None:
            raise InvalidInput(f"{value} is a share of the context, and the scale has none; give context")
        tokens = Fraction(value * context // 1)
        if not self.minimum <= tokens <= self.maximum:
            raise InvalidInput(
                f"{value} of a context of {context} is {tokens} tokens; "
                f"legal: {self.minimum} to {self.maximum}; take a larger share or a longer context"
            )
        return tokens


What = Literal["weights", "cache", "keys", "values"]
"""What a block may share; `cache` is all that the state is made of."""


class Share(BaseModel):
    """Something that a block takes from an earlier, like block instead of having its own.

    Weights: MobileLLM (arXiv 2402.14905, section 3.4); keys, values or the whole cache: cross-layer
    attention (arXiv 2405.12981). Both are the sharing genes of STAR (arXiv 2411.17800, section 3).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    what: What
    donor: int = Field(
        ge=0, validation_alias="with", serialization_alias="with", description="index of the earlier block"
    )


class Group(NamedTuple):
    """A group of features that blocks may share: what it is computed with, and where it is kept."""

    weights: tuple[str, ...]
    features: tuple[str, ...]
    state: tuple[str, ...] = ()


class Operator(BaseModel, ABC):
    """A frozen operator at explicit sizes; one subclass a file.

    Subclasses give their fields, `weights`, `decode_flops` and, where they keep one, `state`; those whose
    features blocks may share, `feature_groups` too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: ClassVar[str]
    """Name in architecture files and layouts."""
    kind: ClassVar[Kind]
    module: ClassVar[str]
    """Flax module as `package.module:Class`, imported only when trained."""
    settings: ClassVar[Mapping[str, Setting]] = {}
    """What a layout may say of it; the first is positional where `positional` is true."""
    positional: ClassVar[bool] = False
    operands: ClassVar[tuple[str, ...]] = ()
    """Fields that are operators themselves, written as objects with an `op` of their own."""
    filters: ClassVar[tuple[str, ...]] = ()
    """Fields that are lengths of causal filters in tokens; null where there is no such filter."""

    shares: tuple[Share, ...] = Field(default=(), description="what is taken from earlier blocks")

    @field_validator("shares", mode="before")
    @classmethod
    def _read_shares(cls, shares: object) -> object:
        """Read lists and objects, as JSON has them."""
        if not isinstance(shares, list | tuple):
            return shares
        return tuple(share if isinstance(share, Share) else Share.model_validate(share) for share in shares)

    @classmethod
    def complete(cls, fields: dict[str, Any], width: int) -> dict[str, Any]:
        """Fill in the defaults that depend on other fields or on the width."""
        del width
        return fields

    @classmethod
    @abstractmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """The operator that a layout block with these settings means at a scale.

        Raises `InvalidInput` where the ratios give no whole sizes.
        """

    @classmethod
    def lengths(cls, settings: Mapping[str, Value]) -> dict[str, Fraction]:
        """The windows and filters that settings give: whole tokens or, below 1, shares of the context."""
        return {
            name: value
            for name, value in settings.items()
            if cls.settings[name].tokens and isinstance(value, Fraction)
        }

    def to_dict(self, exclude_defaults: bool = False) -> dict[str, Any]:
        """The operator's JSON object in an architecture file; `shares` last, where there are some."""
        fields = self.model_dump(by_alias=True, exclude_defaults=exclude_defaults)
        shares = fields.pop("shares", ())
        return {"op": self.name, **fields} | ({"shares": list(shares)} if shares else {})

    @property
    def alone(self) -> Self:
        """The operator without its shares: what blocks that share must have in common."""
        return self.model_copy(update={"shares": ()}) if self.shares else self

    def canonical(self, context: int | None = None) -> "Operator":
        """The simplest operator that is the same function of sequences of at most `context` tokens; None: of
        any length. Two blocks are one function where these are equal.

        Taps of filters that no such sequence reaches are cut.
        """
        if context is None:
            return self
        cut = {name: context for name in self.filters if (getattr(self, name) or 0) > context}
        return self.model_copy(update=cut) if cut else self

    def behind(self, mixers: int) -> Self:
        """As it starts behind so many blocks that mix tokens; the same, unless its source goes by depth."""
        del mixers
        return self

    def check(self, width: int) -> None:
        """Raise `InvalidInput` where the fields contradict the width or each other."""

    @abstractmethod
    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight, as the Flax module holds them (matrices `[in, out]`).

        All of them; `own_weights` leaves out what is shared.
        """

    def feature_groups(self) -> Mapping[What, Group]:
        """The feature groups that blocks may share; by default none."""
        return {}

    @property
    def shareable(self) -> tuple[What, ...]:
        """What blocks of this operator can share."""
        return () if self.kind == "skip" else ("weights", *self.feature_groups())

    def has_own(self, what: What) -> bool:
        """Whether the block does not share this with an earlier one."""
        return all(share.what != what for share in self.shares)

    def own_weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """`weights` without what the block shares."""
        if not self.has_own("weights"):
            return {}
        groups = self.feature_groups()
        shared = {name for share in self.shares for name in groups[share.what].weights}
        return {name: shape for name, shape in self.weights(width).items() if name not in shared}

    def own_state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """`state` without what the block reads from that of an earlier one."""
        groups = self.feature_groups()
        shared = {name for share in self.shares if share.what in groups for name in groups[share.what].state}
        return {name: shape for name, shape in self.state(width, context).items() if name not in shared}

    @abstractmethod
    def decode_flops(self, width: int, context: int) -> int:
        """FLOPs of one decoded token that sees `context` tokens, itself included."""

    def prefill_flops(self, width: int, tokens: int) -> int:
        """FLOPs of a prompt of `tokens` tokens: the sum of `decode_flops` at 1 ... tokens, or fewer."""
        return tokens * self.decode_flops(width, 1)

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """Name and shape (without batch) of what decoding keeps after `context` tokens."""
        del width, context
        return {}

    def state_traffic(self, width: int, context: int) -> int:
        """Elements of state read and written for one decoded token; by default all read, its own written."""
        read = sum(prod(shape) for shape in self.state(width, context).values())
        return read + self.state_elements(width, context)

    def constants(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """Name and shape of what decoding keeps after `context` tokens once for all sequences.

        It is made of weights alone, a row a token, and kept so that it is not made again.
        """
        del width, context
        return {}

    @abstractmethod
    def activation_elements(self, width: int) -> int:
        """Elements of intermediate results for one token, inside the block."""

    def parameters(self, width: int) -> int:
        """Exact number of parameters of its own, the block's norm left out."""
        return sum(prod(shape) for shape in self.own_weights(width).values())

    def weight_traffic(self, width: int, tokens: int) -> int:
        """Elements of weights read to work on `tokens` tokens at once; by default all, shared ones too."""
        del tokens
        return sum(prod(shape) for shape in self.weights(width).values())

    def state_elements(self, width: int, context: int) -> int:
        """Exact number of elements of state of its own."""
        return sum(prod(shape) for shape in self.own_state(width, context).values())

    def constant_elements(self, width: int, context: int) -> int:
        """Exact number of elements of constants."""
        return sum(prod(shape) for shape in self.constants(width, context).values())

    def constant_traffic(self, width: int, context: int) -> int:
        """Elements of constants read and written for a token of all sequences: all, and the new row."""
        return self.constant_elements(width, context) + self.constant_elements(width, 1)

    def matrix_flops(self, width: int, *names: str) -> int:
        """FLOPs of one token through the named weight matrices, those of shared features left out."""
        groups, weights = self.feature_groups(), self.weights(width)
        shared = {
            name for share in self.shares if share.what in groups for name in groups[share.what].weights
        }
        return sum(2 * prod(weights[name]) for name in names if name not in shared)


def whole(value: Fraction | int, what: str) -> int:
    """`value` as an int of at least 1, or `InvalidInput` saying what came out broken."""
    if Fraction(value).denominator != 1 or value < 1:
        raise InvalidInput(f"{what} = {value} is not a whole number of at least 1")
    return int(value)


def round_up(value: Fraction | int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `value`."""
    return int(-(-Fraction(value) // multiple)) * multiple


def number(settings: Mapping[str, Value], name: str) -> Fraction:
    """A setting known to be a number."""
    value = settings[name]
    assert isinstance(value, Fraction)
    return value
