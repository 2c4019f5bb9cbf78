"""Kimi Delta Attention."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Setting, Value, number, whole
from genomes.operators.delta_rule import DeltaRule
from genomes.scale import Scale


class KDA(DeltaRule):
    """The delta rule with a decay per key channel: `a = exp(-exp(A_log) softplus(x W_down W_up + dt_bias))`.

    The output is `W_out (rms(o) * sigmoid(x W_gate_down W_gate_up))`; both low-rank projections go through
    `rank` channels, by default the value size of a head, and `A_log` is one number a head. Kimi Team, arXiv
    2510.26692, equation 1 and section 4; decay and sizes as released with Kimi Linear (`KimiDeltaAttention`
    of the flash-linear-attention library).
    """

    name: ClassVar[str] = "kda"
    module: ClassVar[str] = "proxies.operators.kda:KDA"
    settings: ClassVar[Mapping[str, Setting]] = {
        "expand": Setting(Fraction(1), Fraction(1, 4), 8),
        "conv": Setting(Fraction(4), 2, 128, tokens=True),
    }
    decay_weights: ClassVar[tuple[str, ...]] = ("decay_down", "decay_up", "a_log", "dt_bias")

    heads: int = Field(ge=1, le=MAX_SIZE)
    rank: int = Field(ge=1, le=MAX_SIZE, description="rank of the projections of decay and gate")

    @classmethod
    def complete(cls, fields: dict[str, Any], width: int) -> dict[str, Any]:
        """`rank` defaults to the value size of a head, as published."""
        del width
        return {"rank": fields.get("value_dim", 1)} | fields

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Keys and values fill `expand` times the width."""
        expand = number(settings, "expand")
        return cls(
            heads=whole(expand * scale.heads, f"heads (expand {expand} x {scale.heads} heads)"),
            key_dim=scale.head_dim,
            value_dim=scale.head_dim,
            conv=int(number(settings, "conv")),
            rank=scale.head_dim,
        )

    @property
    def read_heads(self) -> int:
        """Heads of queries and keys: all."""
        return self.heads

    @property
    def state_heads(self) -> int:
        """Heads of the state."""
        return self.heads

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """The projections of decay and gate, and the decay's bias."""
        return super().weights(width) | {
            "decay_down": (width, self.rank),
            "decay_up": (self.rank, self.keys),
            "dt_bias": (self.keys,),
            "gate_down": (width, self.rank),
            "gate_up": (self.rank, self.values),
        }

    def activation_elements(self, width: int) -> int:
        """The decays and the low-rank channels too."""
        return super().activation_elements(width) + self.keys + 2 * self.rank
