"""Real-gated linear recurrent unit, the recurrent block of Griffin."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number, whole
from genomes.scale import Scale


class RGLRU(Operator):
    """Recurrent block: `y = W_out (gelu(W_y x) * lru(conv(W_x x) + b))`.

    With `u` the convolved branch and gates per block of channels (`heads` blocks):
    `r, i = sigmoid(u W_r + b_r), sigmoid(u W_i + b_i)`, `log a = -8 r softplus(p)`,
    `h_t = a h_{t-1} + sqrt(1 - a^2) (i * u)`, with multiplier 1 at the first token.
    Griffin, arXiv 2402.19427, section 2.4, equations 1 to 4.
    """

    name: ClassVar[str] = "rg_lru"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.rg_lru:RGLRU"
    settings: ClassVar[Mapping[str, Setting]] = {"expand": Setting(Fraction(1), Fraction(1, 16), 16)}
    filters: ClassVar[tuple[str, ...]] = ("kernel",)
    DECAY_RATE: ClassVar[float] = 8.0
    """Constant `c` of the decay (Griffin, equation 3)."""

    lru_width: int = Field(ge=1, le=MAX_SIZE, description="channels of the recurrence")
    heads: int = Field(ge=1, le=MAX_SIZE, description="blocks of the block-diagonal gates")
    kernel: int = Field(default=4, ge=2, le=128, description="length of the convolution in tokens")
    bias: bool = Field(default=False, description="biases on the three projections")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`expand` times the width in channels, one gate block a head."""
        expand = number(settings, "expand")
        lru_width = whole(expand * scale.width, f"lru_width (expand {expand} x width {scale.width})")
        return cls(lru_width=lru_width, heads=scale.heads)

    def check(self, width: int) -> None:
        """Gate blocks fill the channels."""
        del width
        if self.lru_width % self.heads:
            raise InvalidInput(f"heads = {self.heads} does not divide lru_width = {self.lru_width}")

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Two branches in, block-diagonal gates, one decay a channel."""
        w, block = self.lru_width, self.lru_width // self.heads
        shapes: dict[str, tuple[int, ...]] = {
            "linear_y": (width, w),
            "linear_x": (width, w),
            "conv": (self.kernel, w),
            "conv_bias": (w,),
            "input_gate": (self.heads, block, block),
            "input_gate_bias": (w,),
            "recurrence_gate": (self.heads, block, block),
            "recurrence_gate_bias": (w,),
            "decay": (w,),
            "linear_out": (w, width),
        }
        if self.bias:
            shapes |= {"linear_y_bias": (w,), "linear_x_bias": (w,), "linear_out_bias": (width,)}
        return shapes

    def decode_flops(self, width: int, context: int) -> int:
        """The same for every token; the recurrence is a multiply-add a channel."""
        del context
        matrices = ("linear_y", "linear_x", "conv", "input_gate", "recurrence_gate", "linear_out")
        return self.matrix_flops(width, *matrices) + 2 * self.lru_width

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last inputs of the convolution and the recurrence."""
        del width, context
        return {"conv": (self.kernel - 1, self.lru_width), "h": (self.lru_width,)}

    def activation_elements(self, width: int) -> int:
        """Two branches, two gates, decay, recurrence and product."""
        del width
        return 7 * self.lru_width
