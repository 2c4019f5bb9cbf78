"""Softmax attention: multi-head, grouped-query, multi-query; full or sliding window; gated, differential."""

from collections.abc import Mapping
from fractions import Fraction
from math import exp, prod
from typing import Any, ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number, whole
from genomes.scale import Scale

_MATRICES = ("q", "k", "v", "out", "q_conv", "k_conv", "v_conv", "gate")


class Attention(Operator):
    """Causal softmax attention with grouped key/value heads.

    `y = softmax(q k^T / sqrt(head_dim)) v W_out`; query head h reads key/value head `h // (heads /
    kv_heads)`. Grouped-query attention: Ainslie et al., arXiv 2305.13245; rotary positions (rotate-half):
    Su et al., arXiv 2104.09864; QK norm (RMS per head, before the rotation): Henry et al., arXiv
    2010.04245; sliding window (a token sees itself and `window - 1` before): Beltagy et al., arXiv
    2004.05150.

    `rotary_dim` rotates only the first channels of a head (GPT-NeoX, arXiv 2204.06745). `gated` multiplies
    the heads by `sigmoid(x W_gate)` before the output projection (Qiu et al., arXiv 2505.06708).
    `score_scale` stands in for `1 / sqrt(head_dim)` (Yang et al., arXiv 2203.03466, definition 4.1). `conv`
    puts a causal depthwise convolution on q, k and v: STAR's Toeplitz featurizer, length 3 (arXiv
    2411.17800).
    `differential` splits each query and key in halves and takes `(softmax_1 - lambda softmax_2) v`, normed
    per head and scaled by `1 - lambda_init` (Ye et al., arXiv 2410.05258, equations 1 to 3), which grows with
    the depth from 0.2 to 0.8.
    """

    name: ClassVar[str] = "attention"
    kind: ClassVar[Kind] = "attention"
    module: ClassVar[str] = "proxies.operators.attention:Attention"
    settings: ClassVar[Mapping[str, Setting]] = {
        "kv": Setting(Fraction(1), Fraction(1, 1024), 1),
        "window": Setting(None, 1, MAX_SIZE, optional=True, tokens=True),
        "qk_norm": Setting(False),
        "rope": Setting(True),
        "rotary": Setting(Fraction(1), Fraction(1, 1024), 1),
        "gated": Setting(False),
        "differential": Setting(False),
        "conv": Setting(None, 2, 128, optional=True, tokens=True),
    }
    filters: ClassVar[tuple[str, ...]] = ("conv",)

    heads: int = Field(ge=1, le=MAX_SIZE)
    kv_heads: int = Field(ge=1, le=MAX_SIZE)
    head_dim: int = Field(ge=1, le=MAX_SIZE)
    qk_norm: bool = False
    rope_theta: float | None = Field(default=10000.0, gt=0, description="null: no positions (NoPE)")
    window: int | None = Field(
        default=None, ge=1, le=MAX_SIZE, description="tokens seen, itself included; null: all"
    )
    rotary_dim: int | None = Field(
        default=None, ge=2, le=MAX_SIZE, description="channels of a head that are rotated; null: all"
    )
    gated: bool = False
    conv: int | None = Field(
        default=None, ge=2, le=128, description="length of the convolution on q, k, v; null: none"
    )
    differential: bool = False
    lambda_init: float = Field(default=0.8, ge=0, lt=1, description="initial lambda of the differential form")
    out_bias: bool = False
    score_scale: float | None = Field(
        default=None, gt=0, description="factor on q k^T; null: the root of 1 / head_dim"
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
        """Heads fill the width; `kv` is the ratio of key/value heads to heads, `rotary` of a head's rotated
        channels to all."""
        window, conv = settings["window"], settings["conv"]
        kv, rotary = number(settings, "kv"), number(settings, "rotary")
        head = scale.head_dim // 2 if settings["differential"] else scale.head_dim
        rotated = None if rotary == 1 else whole(rotary * head, f"rotary_dim (rotary {rotary} x {head})")
        return cls(
            heads=scale.heads,
            kv_heads=whole(kv * scale.heads, f"kv heads (kv {kv} x {scale.heads} heads)"),
            head_dim=scale.head_dim,
            qk_norm=settings["qk_norm"] is True,
            rope_theta=10000.0 if settings["rope"] else None,
            window=None if window is None else int(window),
            rotary_dim=rotated if settings["rope"] else None,
            gated=settings["gated"] is True,
            conv=None if conv is None else int(conv),
            differential=settings["differential"] is True,
        )

    def check(self, width: int) -> None:
        """Key/value heads divide heads; what is rotated is even and fits the head."""
        del width
        if self.heads % self.kv_heads:
            raise InvalidInput(f"kv_heads = {self.kv_heads} does not divide heads = {self.heads}")
        if self.differential and self.head_dim % 2:
            raise InvalidInput(f"head_dim = {self.head_dim} is odd: the differential form halves it")
        if self.rope_theta is None:
            if self.rotary_dim is not None:
                raise InvalidInput(
                    f"rotary_dim = {self.rotary_dim}, but rope_theta is null; drop one of them"
                )
        elif self.rotary_dim is None:
            if self.key_dim % 2:
                raise InvalidInput(
                    f"head_dim = {self.head_dim} is odd{' when halved' if self.differential else ''}: rotary "
                    "positions need an even head size, or rope_theta null"
                )
        elif self.rotary_dim % 2 or self.rotary_dim > self.key_dim:
            raise InvalidInput(f"rotary_dim = {self.rotary_dim}; legal: even, at most {self.key_dim}")

    def canonical(self, context: int | None = None) -> Operator:
        """Without a window that sees whole sequences."""
        same = super().canonical(context)
        sees_all = context is not None and self.window is not None and self.window >= context
        return same.model_copy(update={"window": None}) if sees_all else same

    def behind(self, mixers: int) -> Self:
        """`lambda_init` of the published depth: a layer there is an attention and a feed-forward."""
        if not self.differential:
            return self
        return self.model_copy(update={"lambda_init": round(0.8 - 0.6 * exp(-0.3 * mixers), 4)})

    @property
    def inner(self) -> int:
        """Channels of all heads together."""
        return self.heads * self.head_dim

    @property
    def rotary(self) -> Fraction:
        """Share of a query's or key's channels that are rotated; 0 without positions."""
        if self.rope_theta is None:
            return Fraction(0)
        return Fraction(self.rotary_dim or self.key_dim, self.key_dim)

    @property
    def key_dim(self) -> int:
        """Size of a query or key that is compared: half a head in the differential form."""
        return self.head_dim // 2 if self.differential else self.head_dim

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Projections without biases; vectors for QK norm and the differential form; convolutions, gate."""
        inner, kv = self.inner, self.kv_heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "q": (width, inner),
            "k": (width, kv),
            "v": (width, kv),
            "out": (inner, width),
        }
        if self.qk_norm:
            shapes |= {"q_norm": (self.key_dim,), "k_norm": (self.key_dim,)}
        if self.conv is not None:
            shapes |= {
                "q_conv": (self.conv, inner),
                "k_conv": (self.conv, kv),
                "v_conv": (self.conv, kv),
            }
        if self.gated:
            shapes["gate"] = (width, inner)
        if self.differential:
            # Two pairs (q, k) of vectors that give lambda, and the norm of a head.
            shapes |= {"lambda_q": (2, self.key_dim), "lambda_k": (2, self.key_dim)}
            shapes["head_norm"] = (self.head_dim,)
        if self.out_bias:
            shapes["out_bias"] = (width,)
        return shapes

    def feature_groups(self) -> Mapping[What, Group]:
        """Keys, values, or both."""
        norm = ("k_norm",) if self.qk_norm else ()
        k_conv, v_conv = (("k_conv",), ("v_conv",)) if self.conv is not None else ((), ())
        keys = Group(("k", *norm, *k_conv), ("k",), ("k", *k_conv))
        values = Group(("v", *v_conv), ("v",), ("v", *v_conv))
        both = Group(*(first + second for first, second in zip(keys, values, strict=True)))
        return {"keys": keys, "values": values, "cache": both}

    def seen(self, context: int) -> int:
        """Tokens that the last of `context` tokens attends to."""
        return context if self.window is None else min(context, self.window)

    def _token_flops(self, width: int) -> int:
        """FLOPs of a token that do not depend on what it sees."""
        weights = self.weights(width)
        return self.matrix_flops(width, *(n for n in _MATRICES if n in weights))

    @property
    def _pair_flops(self) -> int:
        """FLOPs of one token seen: `q k^T` and `p v`, the latter twice in the differential form."""
        return (6 if self.differential else 4) * self.inner

    def decode_flops(self, width: int, context: int) -> int:
        """Projections and convolutions, then `q k^T` and `p v` over the tokens seen."""
        return self._token_flops(width) + self._pair_flops * self.seen(context)

    def prefill_flops(self, width: int, tokens: int) -> int:
        """FLOPs summed over tokens: the triangle, or the band of a window."""
        ramp = self.seen(tokens)
        pairs = ramp * (ramp + 1) // 2 + (tokens - ramp) * ramp
        return tokens * self._token_flops(width) + self._pair_flops * pairs

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """Keys and values of the tokens seen; the last inputs of the convolutions."""
        del width
        halves = self.head_dim // self.key_dim
        state: dict[str, tuple[int, ...]] = {
            "k": (self.seen(context), halves * self.kv_heads, self.key_dim),
            "v": (self.seen(context), self.kv_heads, self.head_dim),
        }
        if self.conv is not None:
            inner, kv = self.inner, self.kv_heads * self.head_dim
            past = self.conv - 1
            state |= {"q_conv": (past, inner), "k_conv": (past, kv), "v_conv": (past, kv)}
        return state

    def state_traffic(self, width: int, context: int) -> int:
        """Reads the whole cache, a shared one too; writes one key, one value and the convolutions' inputs."""
        full, own = self.state(width, context), self.own_state(width, context)
        read = sum(prod(shape) for shape in full.values())
        written = sum(prod(shape[1:] if name in ("k", "v") else shape) for name, shape in own.items())
        return read + written

    def activation_elements(self, width: int) -> int:
        """Queries, keys, values, the mixed heads and what gates them; before the convolutions too."""
        del width
        projected = (self.heads + 2 * self.kv_heads) * self.head_dim
        mixed = (1 + self.gated + self.differential) * self.inner
        return projected * (1 if self.conv is None else 2) + mixed
