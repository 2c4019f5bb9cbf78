"""S4D: a diagonal state space a channel."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number
from genomes.scale import Scale


class S4D(Operator):
    """`u, g = split(gelu(y) W_out)`, output `u * sigmoid(g)`; each channel of `y` has its own convolution.

    Per channel `h_t = exp(dt A) h_{t-1} + (exp(dt A) - 1) / A x_t`, `y_t = 2 Re(c h_t) + d x_t`, where `A` is
    diagonal and complex and `dt`, `A`, `c` and `d` do not vary with the input; `B` is 1, as only its product
    with `c` counts. Gu et al., arXiv 2206.11893: zero-order hold (section 2), `A = -exp(a) + i b` (section
    3), the block of S4 around it (arXiv 2111.00396, appendix D, here without biases). `state_dim` is the
    paper's N: complex states in conjugate pairs, of which one each is kept.
    """

    name: ClassVar[str] = "s4d"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.s4d:S4D"
    settings: ClassVar[Mapping[str, Setting]] = {"state": Setting(Fraction(64), 2, MAX_SIZE, whole=True)}

    state_dim: int = Field(
        default=64, ge=2, le=MAX_SIZE, description="state size N of a channel: conjugate pairs, so even"
    )

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`state` is the state size of a channel, at any width."""
        del scale
        return cls(state_dim=int(number(settings, "state")))

    def check(self, width: int) -> None:
        """States come in pairs."""
        del width
        if self.state_dim % 2:
            raise InvalidInput(f"state_dim = {self.state_dim} is odd; states are conjugate pairs")

    @property
    def pairs(self) -> int:
        """Conjugate pairs of a channel."""
        return self.state_dim // 2

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Numbers of each pair, of each channel, and the gated projection; real parts of `c` come first."""
        return {
            "log_a_real": (width, self.pairs),
            "a_imag": (width, self.pairs),
            "c": (width, self.state_dim),
            "log_dt": (width,),
            "d": (width,),
            "out": (width, 2 * width),
        }

    def feature_groups(self) -> Mapping[What, Group]:
        """All that the state is made of, the input itself included; who shares it has its own `c`."""
        made_by = ("log_a_real", "a_imag", "log_dt")
        return {"cache": Group(made_by, ("u", "log_decay", "b"), ("s",))}

    def decode_flops(self, width: int, context: int) -> int:
        """A pair costs 11: its rotation and a real input 7, readout 4; the skip 2 a channel.

        A shared state is only read.
        """
        del context
        pair = 11 if self.has_own("cache") else 4
        return self.matrix_flops(width, "out") + width * (pair * self.pairs + 2)

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The complex states, real parts first."""
        del context
        return {"s": (width, self.state_dim)}

    def activation_elements(self, width: int) -> int:
        """The convolution's output, before and after gelu, and the projection."""
        return 4 * width
