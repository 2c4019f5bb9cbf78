"""Ungated feed-forward."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Literal, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number, round_up
from genomes.scale import Scale


class MLP(Operator):
    """`y = W_down act(W_up x)`, of GELU (tanh form; Hendrycks and Gimpel, arXiv 1606.08415, section 2) or of
    squared ReLU (Primer: So et al., arXiv 2109.08668, section 4; used by Nemotron-H, arXiv 2504.03624)."""

    name: ClassVar[str] = "mlp"
    kind: ClassVar[Kind] = "memoryless"
    module: ClassVar[str] = "proxies.operators.mlp:MLP"
    settings: ClassVar[Mapping[str, Setting]] = {
        "ratio": Setting(Fraction(4), Fraction(1, 16), 64),
        "relu2": Setting(False),
    }
    positional: ClassVar[bool] = True

    hidden: int = Field(ge=1, le=MAX_SIZE, description="feed-forward width")
    activation: Literal["gelu", "relu2"] = "gelu"
    bias: bool = Field(default=False, description="a bias after each matrix")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`ratio` times the width, rounded up to a multiple of 16; `relu2` instead of GELU."""
        hidden = round_up(number(settings, "ratio") * scale.width, 16)
        return cls(hidden=hidden, activation="relu2" if settings["relu2"] else "gelu")

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Two matrices, and their biases where asked."""
        biases = {"up_bias": (self.hidden,), "down_bias": (width,)} if self.bias else {}
        return {"up": (width, self.hidden), "down": (self.hidden, width), **biases}

    def decode_flops(self, width: int, context: int) -> int:
        """Two matrices, whatever the context."""
        del context
        return self.matrix_flops(width, "up", "down")

    def activation_elements(self, width: int) -> int:
        """The hidden row before and after the activation."""
        del width
        return 2 * self.hidden
