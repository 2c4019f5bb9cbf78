"""Cases of a calibration: stacks of equal blocks, and what was measured of them."""

from typing import Literal, get_args

from pydantic import Field

from hardware_profiles.value import Value
from hardware_profiles.workload import FigureName, HeadDtype, Workload

Phase = Literal["prefill", "decode"]
PHASES: tuple[Phase, ...] = get_args(Phase)
LATENCIES: dict[Phase, FigureName] = {"prefill": "prefill_latency_s", "decode": "decode_latency_s"}
"""Name of the figure that is a phase's time."""
Timed = Literal["prefill", "decode", "cached"]
"""What is timed of a stack; `cached` is a token when the last-level cache holds the stack."""
Quantity = Literal["prefill", "decode", "working"]
"""Seconds, seconds, bytes beside weights and state."""
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
UNSTABLE = 0.5
"""Spread of single samples, (p90 - p10) / median, from which a case is marked."""
STEADY = 0.1
"""Spread below which rows count alike."""
DISTURBED = 0.1
"""Share of a machine's CPU time that other programs may take: a fifth of a core of two."""
HEAD = "head"
"""The family of what no block is: embedding, final norm, logits, and the time of an empty program."""


class Case(Value):
    """One stack of equal blocks, measured: prompt of `context` tokens, and one token at that depth."""

    operator: str = Field(description="name, or `head` where the stack is empty")
    block: dict[str, object] = Field(description="the object of an architecture file; empty for `head`")
    width: int = Field(ge=1)
    vocab_size: int = Field(ge=1)
    copies: int = Field(ge=1, description="blocks of the stack")
    context: int = Field(ge=1)
    batch: int = Field(default=1, ge=1)
    dtype: str = "float32"
    weights: str | None = Field(default=None, description="what weights are stored in; null: dtype")
    cache: str | None = Field(default=None, description="what states are stored in; null: dtype")
    head: HeadDtype | None = Field(
        default=None, description="what the table of the logits is stored in; null: as weights"
    )

    @property
    def workload(self) -> Workload:
        """What was asked of the machine."""
        return Workload(
            context=self.context,
            batch=self.batch,
            dtype=self.dtype,
            weights=self.weights,
            cache=self.cache,
            head=self.head,
        )


class Measured(Value):
    """A case with its times, those of an empty stack taken off, for one block."""

    case: Case
    prefill_s: float = Field(gt=0)
    decode_s: float = Field(gt=0, description="when weights and state come from memory")
    cached_s: float | None = Field(
        default=None, gt=0, description="when the last-level cache holds the stack; null: it is too large"
    )
    prefill_spread: float = Field(ge=0, description="(p90 - p10) / median of the samples")
    decode_spread: float = Field(ge=0)
    working_bytes: float = Field(gt=0, description="most that a program needs beside weights and state")
    other_load: float = Field(default=0.0, ge=0, description="share of the machine that others took")
    drift: dict[Phase, float] = Field(description="factor by which the yardstick was slower than usual")

    @property
    def unstable(self) -> bool:
        """Whether its samples differ too much to be relied on, or other programs were in the way."""
        return max(self.prefill_spread, self.decode_spread) > UNSTABLE or self.other_load > DISTURBED

    def trust(self, quantity: Quantity) -> float:
        """How much the row counts in a fit, against one whose samples agree: the inverse of its spread."""
        spread = {"prefill": self.prefill_spread, "decode": self.decode_spread, "working": 0.0}[quantity]
        return STEADY / max(STEADY, spread)

    def amount(self, quantity: Quantity) -> float:
        """Bytes, or seconds as they would have been without the machine's drift."""
        match quantity:
            case "prefill":
                return self.prefill_s / self.drift["prefill"]
            case "decode":
                return self.decode_s / self.drift["decode"]
            case "working":
                return self.working_bytes
