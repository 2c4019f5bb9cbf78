"""Hyena-X: short convolutions and gates, without Hyena's inner convolution."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number
from genomes.scale import Scale


class HyenaX(Operator):
    """`y = W_out (q * k * v)` with `q, k, v = conv(W_in x)`.

    The convolution is causal and depthwise; nothing else mixes tokens. Published in words only: Hyena
    "without the inner convolution", filters of 3 to 128 tokens (Liquid AI, "Convolutional multi-hybrids for
    edge devices", 2025). Our reading: the order-2 Hyena operator (Poli et al., arXiv 2302.10866, section 3)
    with the identity in place of its long filter.
    """

    name: ClassVar[str] = "hyena_x"
    kind: ClassVar[Kind] = "convolution"
    module: ClassVar[str] = "proxies.operators.hyena_x:HyenaX"
    settings: ClassVar[Mapping[str, Setting]] = {"kernel": Setting(Fraction(3), 3, MAX_SIZE, tokens=True)}
    positional: ClassVar[bool] = True
    filters: ClassVar[tuple[str, ...]] = ("kernel",)

    kernel: int = Field(default=3, ge=3, le=MAX_SIZE, description="length of the convolution in tokens")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """The kernel has its length in tokens at any width."""
        del scale
        return cls(kernel=int(number(settings, "kernel")))

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """`4 D^2 + 3 kernel D` parameters."""
        return {"in_proj": (width, 3 * width), "conv": (self.kernel, 3 * width), "out_proj": (width, width)}

    def decode_flops(self, width: int, context: int) -> int:
        """The same for every token."""
        del context
        return self.matrix_flops(width, "in_proj", "conv", "out_proj")

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last `kernel - 1` inputs of the convolution."""
        del context
        return {"conv": (self.kernel - 1, 3 * width)}

    def activation_elements(self, width: int) -> int:
        """`q, k, v` before and after the convolution, and `k * v`."""
        return 7 * width
