"""Gated linear attention."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number, whole
from genomes.scale import Scale


class GatedLinearAttention(Operator):
    """Linear attention with a decay per key channel.

    Per head `S_t = diag(a_t) S_{t-1} + k_t (x) v_t`, `o_t = S_t^T q_t / sqrt(key_dim)`, with
    `a = max(sigmoid(x W_down W_up + b)^(1/16), e^-5)`; then RMS norm per head, a swish output gate and the
    output projection. Yang et al., arXiv 2312.06635, equations 3 and 4 and section 4.4.
    """

    name: ClassVar[str] = "gated_linear_attention"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.gated_linear_attention:GatedLinearAttention"
    settings: ClassVar[Mapping[str, Setting]] = {"key": Setting(Fraction(1, 2), Fraction(1, 16), 4)}
    TEMPERATURE: ClassVar[float] = 16.0
    """Root taken of the decay's sigmoid (arXiv 2312.06635, section 4.4)."""
    LEAST_LOG_DECAY: ClassVar[float] = -5.0
    """Floor of a channel's logarithmic decay a token: kernels divide decays out of the keys of a chunk."""

    heads: int = Field(ge=1, le=MAX_SIZE)
    key_dim: int = Field(ge=1, le=MAX_SIZE, description="key size of a head")
    value_dim: int = Field(ge=1, le=MAX_SIZE, description="value size of a head")
    gate_rank: int = Field(default=16, ge=1, le=MAX_SIZE, description="rank of the decay's projection")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Values fill the width; `key` is the ratio of key size to value size."""
        key = number(settings, "key")
        key_dim = whole(key * scale.head_dim, f"key_dim (key {key} x head_dim {scale.head_dim})")
        return cls(heads=scale.heads, key_dim=key_dim, value_dim=scale.head_dim)

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Projections without biases, but for the decay's."""
        keys, values = self.heads * self.key_dim, self.heads * self.value_dim
        return {
            "q": (width, keys),
            "k": (width, keys),
            "v": (width, values),
            "decay_down": (width, self.gate_rank),
            "decay_up": (self.gate_rank, keys),
            "decay_bias": (keys,),
            "gate": (width, values),
            "norm": (self.value_dim,),
            "out": (values, width),
        }

    def feature_groups(self) -> Mapping[What, Group]:
        """Keys, values, or the whole state with its decays."""
        decay = ("decay_down", "decay_up", "decay_bias")
        return {
            "keys": Group(("k",), ("k",)),
            "values": Group(("v",), ("v",)),
            "cache": Group(("k", "v", *decay), ("k", "v", "log_decay"), ("s",)),
        }

    def decode_flops(self, width: int, context: int) -> int:
        """An element of state costs 5: decay, rank-one update, readout; a shared one is only read out."""
        del context
        projections = self.matrix_flops(width, "q", "k", "v", "decay_down", "decay_up", "gate", "out")
        element = 5 if self.has_own("cache") else 2
        return projections + element * self.heads * self.key_dim * self.value_dim

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """One matrix a head."""
        del width, context
        return {"s": (self.heads, self.key_dim, self.value_dim)}

    def activation_elements(self, width: int) -> int:
        """Queries, keys, decays; values, gates, outputs."""
        del width
        return 3 * self.heads * (self.key_dim + self.value_dim) + self.gate_rank
