"""The 17 operator classes of STAR, each with the operator and featurizer genomes that it stands for.

Every operator is a linear input-varying system `y_i = sum_j T_ij(x) x_j` (LIV): its operator genome names the
structure of `T`, its featurizer genomes how the feature groups that `T` is made of are computed. Thomas et
al., arXiv 2411.17800, section 3 and appendix. No code was released, and the appendix could not be reproduced
from its text alone, so each class says what is known of it and what is our reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

from genomes.space import BlockClass, block_class


class TokenMixing(IntEnum):
    """Structure of `T` over tokens. 1 to 4 as published; attention has the code of its features' product."""

    DIAGONAL = 1
    """`sigma(C_i)` where i = j: memoryless."""
    LOW_RANK = 2
    """`C_i B_j`: linear attention; with softmax over it, attention."""
    TOEPLITZ = 3
    """`C_i K_{i-j} B_j`: gated convolution."""
    SEMI_SEPARABLE = 4
    """`C_i A_{i-1} ... A_{j+1} B_j`: recurrence."""


class Sparsity(IntEnum):
    """Which entries of `T` may differ from zero. Appendix as quoted; unconfirmed."""

    NONE = 1
    BANDED = 2


class Nonlinearity(IntEnum):
    """What `T` passes through. Appendix as quoted; unconfirmed."""

    NONE = 1
    SOFTMAX = 2
    RELU = 3
    SWISH = 4


class ChannelMixing(IntEnum):
    """Structure of `T` over channels; grouped: by heads."""

    DIAGONAL = 1
    DENSE = 2
    GROUPED = 3


class OperatorGenome(NamedTuple):
    """Five integers: class of featurizer, from 1 to 9, and the structure of `T`."""

    featurizer: int
    token_mixing: TokenMixing
    sparsity: Sparsity
    nonlinearity: Nonlinearity
    channel_mixing: ChannelMixing

    def __str__(self) -> str:
        return "".join(str(int(gene)) for gene in self)


class FeaturizerGenome(NamedTuple):
    """How one feature group is computed from the input: six values."""

    token_mixing: TokenMixing = TokenMixing.DIAGONAL
    sparsity: Sparsity = Sparsity.NONE
    nonlinearity: Nonlinearity = Nonlinearity.NONE
    channel_mixing: ChannelMixing = ChannelMixing.DENSE
    expansion: Fraction = Fraction(1)
    """Features of a channel of the operator."""
    repeat: int = 1
    """Heads that read the same features."""


@dataclass(frozen=True)
class LivClass:
    """One class of the backbone genome."""

    number: int
    name: str
    layout: str
    """The block that it is here, as a layout writes it."""
    operator: OperatorGenome
    features: Mapping[str, FeaturizerGenome]
    """Featurizer genome of each feature group."""
    note: str
    """How well it is known."""
    differential: bool = False
    """Whether it is `T_a x - T_b x` of two systems of the same class, each with weights of its own."""

    @property
    def letter(self) -> BlockClass:
        """The class of a search space."""
        return block_class(self.name, self.layout)


_DENSE = FeaturizerGenome()
_CONVOLVED = FeaturizerGenome(token_mixing=TokenMixing.TOEPLITZ)
_UNCONFIRMED = "operator genome: appendix as quoted; unconfirmed"
_DERIVED = "operator genome derived from that of SA-1, whose code is the appendix as quoted; unconfirmed"


def _attention(number: int, layout: str, features: FeaturizerGenome, repeat: int, note: str) -> LivClass:
    genome = OperatorGenome(
        number, TokenMixing.LOW_RANK, Sparsity.NONE, Nonlinearity.SOFTMAX, ChannelMixing.GROUPED
    )
    shared = features._replace(repeat=repeat)
    return LivClass(number, f"SA-{number}", layout, genome, {"q": features, "k": shared, "v": shared}, note)


def _recurrence(number: int, layout: str, expansion: int) -> LivClass:
    genome = OperatorGenome(
        number, TokenMixing.SEMI_SEPARABLE, Sparsity.NONE, Nonlinearity.NONE, ChannelMixing.DIAGONAL
    )
    states = _DENSE._replace(expansion=Fraction(expansion))
    note = f"{_UNCONFIRMED}; that the expansion is the state size of a channel is our reading"
    return LivClass(
        number,
        f"Rec-{number - 4}",
        layout,
        genome,
        {"a": states, "b": states, "c": states, "v": _DENSE},
        note,
    )


def _convolution(number: int, layout: str, note: str) -> LivClass:
    genome = OperatorGenome(
        number, TokenMixing.TOEPLITZ, Sparsity.NONE, Nonlinearity.NONE, ChannelMixing.DIAGONAL
    )
    features = dict.fromkeys(("b", "c", "v"), _DENSE if number == 7 else _CONVOLVED)
    return LivClass(number, f"GConv-{number - 6}", layout, genome, features, note)


_PLAIN = (
    _attention(1, "attention", _DENSE, 1, f"dense q, k, v; {_UNCONFIRMED}"),
    _attention(2, "attention(conv=3)", _CONVOLVED, 1, f"length-3 convolutions on q, k, v; {_DERIVED}"),
    _attention(3, "attention(kv=1/4)", _DENSE, 4, f"grouped-query, four heads a key; {_DERIVED}"),
    _attention(4, "attention(kv=1/2)", _DENSE, 2, f"grouped-query, two heads a key; {_DERIVED}"),
    _recurrence(5, "s6(state=16)", 16),
    _recurrence(6, "s6(state=2)", 2),
    _convolution(
        7,
        "short_conv(3)",
        "explicit filter of length 3 as published; its gates are linear, as in released Liquid models",
    ),
    _convolution(
        8,
        "hyena(horizon=1/4)",
        "implicit long filter as published; the rest as in Hyena (arXiv 2302.10866), our reading; that its "
        "time spans a quarter of the context is our choice",
    ),
    LivClass(
        9,
        "GMemless",
        "swiglu(8/3)",
        OperatorGenome(9, TokenMixing.DIAGONAL, Sparsity.NONE, Nonlinearity.SWISH, ChannelMixing.DENSE),
        {name: _DENSE._replace(expansion=Fraction(8, 3)) for name in ("gate", "up")},
        f"SwiGLU; {_UNCONFIRMED}; its ratio of 8/3 is that of Transformer++, our choice",
    ),
)

LIV_CLASSES: tuple[LivClass, ...] = (
    *_PLAIN,
    *(
        LivClass(
            number=liv.number + 9,
            name=f"Diff-{liv.number}",
            layout=f"{liv.layout}-{liv.layout}",
            operator=liv.operator,
            features=liv.features,
            note=f"differential form of {liv.name}; {liv.note}",
            differential=True,
        )
        for liv in _PLAIN[:8]
    ),
)
"""All classes in order: 4 attention, 2 recurrent, 2 convolutions, 1 memoryless, 8 differential."""
