"""S6: selective diagonal state space; Mamba's block, and the recurrence of STAR."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number, whole
from genomes.scale import Scale


class S6(Operator):
    """`u = W_in x`, `dt = softplus(u W_down W_up + dt_bias)`, `B, C = u W_B, u W_C`,
    `h_t = exp(dt A) h_{t-1} + dt u (x) B`, `y = C h + d u`, output `W_out y`, with `A = -exp(a_log)`.

    Each channel has its own `state_dim` states, and tokens choose what is kept: Gu and Dao, arXiv 2312.00752,
    algorithm 2 and section 3.2. With `kernel`, `u` passes a causal convolution and silu; with `gated`, `y` is
    multiplied by `silu(z)` of a second branch: `s6(expand=2, state=16, kernel=4, gated=yes)` is the block of
    Mamba (their section 3.4 and figure 3), weight for weight.

    Without either it is our reading of STAR's Rec-1 (`state=16`) and Rec-2 (`state=2`). Published (arXiv
    2411.17800): semi-separable token mixing `C_i A_{i-1} ... A_{j+1} B_j`, diagonal channel mixing, expansion
    16 and 2. Our reading: the expansion is the state size of a channel, the featurizers are those of S6, and
    dense projections surround the operator, as they do attention.
    """

    name: ClassVar[str] = "s6"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.s6:S6"
    settings: ClassVar[Mapping[str, Setting]] = {
        "state": Setting(Fraction(16), 1, MAX_SIZE, whole=True),
        "expand": Setting(Fraction(1), Fraction(1, 16), 16),
        "kernel": Setting(None, 2, 128, optional=True, tokens=True),
        "gated": Setting(False),
    }
    filters: ClassVar[tuple[str, ...]] = ("kernel",)

    inner: int = Field(ge=1, le=MAX_SIZE, description="channels of the recurrence")
    state_dim: int = Field(default=16, ge=1, le=MAX_SIZE, description="state size N of a channel")
    dt_rank: int = Field(ge=1, le=MAX_SIZE, description="rank of the step's projection")
    kernel: int | None = Field(
        default=None, ge=2, le=128, description="length of the convolution in tokens; null: none"
    )
    gated: bool = False

    @classmethod
    def complete(cls, fields: dict[str, Any], width: int) -> dict[str, Any]:
        """`dt_rank` defaults to width / 16, rounded up, as published."""
        return {"dt_rank": -(-width // 16)} | fields

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """`expand` times the width in channels; `state` is the state size of a channel, at any width."""
        expand, kernel = number(settings, "expand"), settings["kernel"]
        return cls(
            inner=whole(expand * scale.width, f"inner (expand {expand} x width {scale.width})"),
            state_dim=int(number(settings, "state")),
            dt_rank=-(-scale.width // 16),
            kernel=None if kernel is None else int(kernel),
            gated=settings["gated"] is True,
        )

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """`u` and `z` in one projection; `a_log` and the state with channels last."""
        shapes: dict[str, tuple[int, ...]] = {
            "in_proj": (width, self.inner * (1 + self.gated)),
            "dt_down": (self.inner, self.dt_rank),
            "dt_up": (self.dt_rank, self.inner),
            "dt_bias": (self.inner,),
            "a_log": (self.state_dim, self.inner),
            "b": (self.inner, self.state_dim),
            "c": (self.inner, self.state_dim),
            "d": (self.inner,),
            "out_proj": (self.inner, width),
        }
        if self.kernel is not None:
            shapes |= {"conv": (self.kernel, self.inner), "conv_bias": (self.inner,)}
        return shapes

    def feature_groups(self) -> Mapping[What, Group]:
        """All that the state is made of; a block that shares it reads the state with its own `C`."""
        made_by = ("dt_down", "dt_up", "dt_bias", "a_log", "b")
        return {"cache": Group(made_by, ("u", "dt", "a", "b"), ("s",))}

    def decode_flops(self, width: int, context: int) -> int:
        """An element of state costs 6: its exponent `dt A`, decay, rank-one update 2, readout 2; the skip
        `d u` 2 a channel.

        A shared state is only read.
        """
        del context
        names = ["in_proj", "dt_down", "dt_up", "b", "c", "out_proj"] + ["conv"] * (self.kernel is not None)
        element = 6 if self.has_own("cache") else 2
        return self.matrix_flops(width, *names) + self.inner * (element * self.state_dim + 2)

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The states of each channel and, with a convolution, its last inputs."""
        del width, context
        shapes: dict[str, tuple[int, ...]] = {"s": (self.state_dim, self.inner)}
        return shapes if self.kernel is None else shapes | {"conv": (self.kernel - 1, self.inner)}

    def activation_elements(self, width: int) -> int:
        """`u`, `z`, the convolved `u`; `dt` of low and full rank, `B`, `C`; the output and its product."""
        del width
        branches = 1 + self.gated + (self.kernel is not None)
        return self.inner * (branches + 3) + self.dt_rank + 2 * self.state_dim
