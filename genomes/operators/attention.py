"""Softmax attention: multi-head, grouped-query, multi-query; full or sliding window."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Kind, Operator, Setting, Value, number, whole
from genomes.scale import Scale


class Attention(Operator):
    """Causal softmax attention with grouped key/value heads.

    `y = softmax(q k^T / sqrt(head_dim)) v W_out`; query head h reads key/value head `h // (heads /
    kv_heads)`. Grouped-query attention: Ainslie et al., arXiv 2305.13245; rotary positions (rotate-half):
    Su et al., arXiv 2104.09864; QK norm (RMS per head, before the rotation): Henry et al., arXiv
    2010.04245; sliding window (a token sees itself and `window - 1` before): Beltagy et al., arXiv
    2004.05150.
    """

    name: ClassVar[str] = "attention"
    kind: ClassVar[Kind] = "attention"
    module: ClassVar[str] = "proxies.operators.attention:Attention"
    settings: ClassVar[Mapping[str, Setting]] = {
        "kv": Setting(Fraction(1), Fraction(1, 1024), 1),
        "window": Setting(None, 1, MAX_SIZE, whole=True, optional=True),
        "qk_norm": Setting(False),
        "rope": Setting(True),
    }

    heads: int = Field(ge=1, le=MAX_SIZE)
    kv_heads: int = Field(ge=1, le=MAX_SIZE)
    head_dim: int = Field(ge=1, le=MAX_SIZE)
    qk_norm: bool = False
    rope_theta: float | None = Field(default=10000.0, gt=0, description="null: no positions (NoPE)")
    window: int | None = Field(
        default=None, ge=1, le=MAX_SIZE, description="tokens seen, itself included; null: all"
    )

    @classmethod
    def complete(cls, fields: dict[str, Any], width: int) -> dict[str, Any]:
        """`kv_heads` defaults to heads, `head_dim` to width / heads."""
        heads = fields.get("heads")
        if type(heads) is not int or heads < 1:
            return {"kv_heads": 1, "head_dim": 1} | fields  # so that heads alone is refused
        if "head_dim" not in fields and width % heads:
            raise InvalidInput(
                f"heads = {heads} does not divide the width {width}; give a divisor of it, or head_dim"
            )
        return {"kv_heads": heads, "head_dim": width // heads} | fields

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Heads fill the width; `kv` is the ratio of key/value heads to heads."""
        window = settings["window"]
        kv = number(settings, "kv")
        return cls(
            heads=scale.heads,
            kv_heads=whole(kv * scale.heads, f"kv heads (kv {kv} x {scale.heads} heads)"),
            head_dim=scale.head_dim,
            qk_norm=settings["qk_norm"] is True,
            rope_theta=10000.0 if settings["rope"] else None,
            window=None if window is None else int(window),
        )

    def check(self, width: int) -> None:
        """Key/value heads divide heads; a rotated head has an even size."""
        del width
        if self.heads % self.kv_heads:
            raise InvalidInput(f"kv_heads = {self.kv_heads} does not divide heads = {self.heads}")
        if self.rope_theta is not None and self.head_dim % 2:
            raise InvalidInput(
                f"head_dim = {self.head_dim} is odd: rotary positions need an even head size, "
                "or rope_theta null"
            )

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Projections without biases; one vector of head size each for QK norm."""
        inner, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "q": (width, inner),
            "k": (width, kv),
            "v": (width, kv),
            "out": (inner, width),
        }
        if self.qk_norm:
            shapes |= {"q_norm": (self.head_dim,), "k_norm": (self.head_dim,)}
        return shapes

    def seen(self, context: int) -> int:
        """Tokens that the last of `context` tokens attends to."""
        return context if self.window is None else min(context, self.window)

    def decode_flops(self, width: int, context: int) -> int:
        """Projections, then `q k^T` and `p v` over the tokens seen."""
        mixing = 4 * self.heads * self.head_dim * self.seen(context)
        return self.matrix_flops(width, "q", "k", "v", "out") + mixing

    def prefill_flops(self, width: int, tokens: int) -> int:
        """As the sum over tokens: the triangle, or the band of a window."""
        ramp = self.seen(tokens)
        pairs = ramp * (ramp + 1) // 2 + (tokens - ramp) * ramp
        projections = self.matrix_flops(width, "q", "k", "v", "out")
        return tokens * projections + 4 * self.heads * self.head_dim * pairs

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """Keys and values of the tokens seen."""
        del width
        shape = (self.seen(context), self.kv_heads, self.head_dim)
        return {"k": shape, "v": shape}

    def state_traffic(self, width: int, context: int) -> int:
        """Reads the whole cache, writes one key and one value."""
        return self.state_elements(width, context) + 2 * self.kv_heads * self.head_dim

    def activation_elements(self, width: int) -> int:
        """Queries, keys, values and the mixed heads."""
        del width
        return (2 * self.heads + 2 * self.kv_heads) * self.head_dim
