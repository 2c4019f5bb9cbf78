"""S5: one diagonal state space for all channels."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number, whole
from genomes.scale import Scale


class S5(Operator):
    """`h_t = exp(dt A) h_{t-1} + (exp(dt A) - 1) / A (B x_t)`, `y = 2 Re(C h) + d x`, output
    `gelu(y) * sigmoid(gelu(y) W)`.

    One state of size P reads and writes all channels; `A` is diagonal and complex, with a step `dt` for
    each state, and nothing varies with the input. Smith et al., arXiv 2208.04933, sections 3.1 to 3.3 and,
    for the gate, appendix G. `state_dim` is the paper's P: conjugate pairs, of which one each is kept.
    """

    name: ClassVar[str] = "s5"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.s5:S5"
    settings: ClassVar[Mapping[str, Setting]] = {"state": Setting(Fraction(1), Fraction(1, 64), 64)}

    state_dim: int = Field(ge=2, le=MAX_SIZE, description="state size P: conjugate pairs, so even")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`state` is the ratio of state size to width."""
        state = number(settings, "state")
        pairs = whole(state * scale.width / 2, f"pairs of states (state {state} x width {scale.width} / 2)")
        return cls(state_dim=2 * pairs)

    def check(self, width: int) -> None:
        """States come in pairs."""
        del width
        if self.state_dim % 2:
            raise InvalidInput(f"state_dim = {self.state_dim} is odd; states are conjugate pairs")

    @property
    def pairs(self) -> int:
        """Conjugate pairs."""
        return self.state_dim // 2

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Numbers of each pair, matrices in and out (real parts first), the skip and the gate."""
        return {
            "log_a_real": (self.pairs,),
            "a_imag": (self.pairs,),
            "log_dt": (self.pairs,),
            "b": (width, self.state_dim),
            "c": (self.state_dim, width),
            "d": (width,),
            "gate": (width, width),
        }

    def feature_groups(self) -> Mapping[What, Group]:
        """The states; a block that shares them reads them with its own `C`."""
        return {"cache": Group(("log_a_real", "a_imag", "log_dt", "b"), ("h",), ("s",))}

    def decode_flops(self, width: int, context: int) -> int:
        """A pair costs 8, but for shared ones: its rotation and a complex input; the skip 2 a channel."""
        del context
        pair = 8 if self.has_own("cache") else 0
        return self.matrix_flops(width, "b", "c", "gate") + pair * self.pairs + 2 * width

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The complex states, real parts first."""
        del width, context
        return {"s": (self.state_dim,)}

    def activation_elements(self, width: int) -> int:
        """Inputs of the states, states; output before and after gelu, gate."""
        return 2 * self.state_dim + 3 * width
