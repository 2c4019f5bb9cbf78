"""Gated short convolution, the mixer of LFM2."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number
from genomes.scale import Scale


class ShortConv(Operator):
    """`y = W_out (C * conv(B * u))` with `B, C, u = split(W_in x)` and linear gates.

    The convolution is causal and depthwise. LFM2 technical report, arXiv 2511.23404, section 2.
    """

    name: ClassVar[str] = "short_conv"
    kind: ClassVar[Kind] = "convolution"
    module: ClassVar[str] = "proxies.operators.short_conv:ShortConv"
    settings: ClassVar[Mapping[str, Setting]] = {"kernel": Setting(Fraction(3), 2, MAX_SIZE, tokens=True)}
    positional: ClassVar[bool] = True
    filters: ClassVar[tuple[str, ...]] = ("kernel",)

    kernel: int = Field(default=3, ge=2, le=MAX_SIZE, description="length of the convolution in tokens")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """The kernel has its length in tokens at any width."""
        del scale
        return cls(kernel=int(number(settings, "kernel")))

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """`4 D^2 + kernel D` parameters."""
        return {"in_proj": (width, 3 * width), "conv": (self.kernel, width), "out_proj": (width, width)}

    def decode_flops(self, width: int, context: int) -> int:
        """The same for every token."""
        del context
        return self.matrix_flops(width, "in_proj", "conv", "out_proj")

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last `kernel - 1` gated inputs."""
        del context
        return {"conv": (self.kernel - 1, width)}

    def activation_elements(self, width: int) -> int:
        """`B, C, u` and the gated convolution."""
        return 4 * width
