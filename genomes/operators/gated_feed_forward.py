"""What the gated feed-forwards (`swiglu`, `geglu`) have in common: all but the activation."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number, round_up
from genomes.scale import Scale


class GatedFeedForward(Operator):
    """`y = W_down (act(W_gate x) * W_up x)`: the GLU variants of Shazeer, arXiv 2002.05202, section 2."""

    kind: ClassVar[Kind] = "memoryless"
    settings: ClassVar[Mapping[str, Setting]] = {"ratio": Setting(Fraction(4), Fraction(1, 16), 64)}
    positional: ClassVar[bool] = True

    hidden: int = Field(ge=1, le=MAX_SIZE, description="feed-forward width")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`ratio` times the width, rounded up to a multiple of 16."""
        return cls(hidden=round_up(number(settings, "ratio") * scale.width, 16))

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Three matrices."""
        return {"gate": (width, self.hidden), "up": (width, self.hidden), "down": (self.hidden, width)}

    def decode_flops(self, width: int, context: int) -> int:
        """Three matrices, whatever the context."""
        del context
        return self.matrix_flops(width, "gate", "up", "down")

    def activation_elements(self, width: int) -> int:
        """Gate, up and their product."""
        del width
        return 3 * self.hidden
