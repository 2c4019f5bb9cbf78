"""Mamba-2: state-space duality with one decay a head."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number, whole
from genomes.scale import Scale


class Mamba2(Operator):
    """`z, xBC, dt = split(W_in x)`, `u, B, C = split(silu(conv(xBC) + b))`, `dt = softplus(dt + dt_bias)`,
    `S_t = exp(-dt exp(A_log)) S_{t-1} + (dt u) (x) B`, `y = S C + D u`, `W_out rms(y * silu(z))`.

    The norm is taken per group of channels. Dao and Gu, arXiv 2405.21060, sections 6 and 7.
    """

    name: ClassVar[str] = "mamba2"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.mamba2:Mamba2"
    settings: ClassVar[Mapping[str, Setting]] = {
        "expand": Setting(Fraction(2), Fraction(1, 4), 8),
        "state": Setting(Fraction(2), Fraction(1, 16), 16),
    }
    filters: ClassVar[tuple[str, ...]] = ("kernel",)

    heads: int = Field(ge=1, le=MAX_SIZE)
    head_dim: int = Field(ge=1, le=MAX_SIZE)
    state_dim: int = Field(ge=1, le=MAX_SIZE, description="state size N of a channel")
    groups: int = Field(default=1, ge=1, le=MAX_SIZE, description="groups of heads that share B and C")
    kernel: int = Field(default=4, ge=2, le=128, description="length of the convolution in tokens")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`expand` times the width in channels; `state` is the ratio of state size to head size."""
        expand, state = number(settings, "expand"), number(settings, "state")
        return cls(
            heads=whole(expand * scale.heads, f"heads (expand {expand} x {scale.heads})"),
            head_dim=scale.head_dim,
            state_dim=whole(state * scale.head_dim, f"state_dim (state {state} x {scale.head_dim})"),
        )

    def check(self, width: int) -> None:
        """Groups divide the heads."""
        del width
        if self.heads % self.groups:
            raise InvalidInput(f"groups = {self.groups} does not divide heads = {self.heads}")

    @property
    def inner(self) -> int:
        """Channels of the recurrence."""
        return self.heads * self.head_dim

    @property
    def conv_width(self) -> int:
        """Channels of the convolution: inputs, B and C."""
        return self.inner + 2 * self.groups * self.state_dim

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """One projection in, one convolution, three numbers a head, one norm, one projection out."""
        return {
            "in_proj": (width, self.inner + self.conv_width + self.heads),
            "conv": (self.kernel, self.conv_width),
            "conv_bias": (self.conv_width,),
            "dt_bias": (self.heads,),
            "a_log": (self.heads,),
            "d": (self.heads,),
            "norm": (self.inner,),
            "out_proj": (self.inner, width),
        }

    def decode_flops(self, width: int, context: int) -> int:
        """An element of state costs 5: decay, rank-one update, readout; the skip `D u` 2 a channel."""
        del context
        projections = self.matrix_flops(width, "in_proj", "conv", "out_proj")
        return projections + 5 * self.inner * self.state_dim + 2 * self.inner

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last inputs of the convolution and one matrix a head."""
        del width, context
        return {
            "conv": (self.kernel - 1, self.conv_width),
            "s": (self.heads, self.head_dim, self.state_dim),
        }

    def activation_elements(self, width: int) -> int:
        """`z, xBC, dt`, the convolved `xBC`, the recurrence's output and its gated norm."""
        del width
        return self.inner + 2 * self.conv_width + self.heads + 2 * self.inner
