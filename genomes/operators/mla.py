"""Multi-head latent attention."""

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number, whole
from genomes.scale import Scale


class MLA(Operator):
    """Softmax attention whose keys and values are projected from one small latent vector a token.

    `c = rms(x W_down)`, `k_h = [c W_k_h, rot(x W_rotary)]`, `v_h = c W_v_h`, `q_h = [q, rot(q')]` from
    `x W_q`, `y = softmax(q k^T / sqrt(head_dim + rope_dim)) v W_out`; all heads share the rotated part of the
    key. The cache holds `c` and that part. DeepSeek-V2, arXiv 2405.04434, section 2.1.

    Two forms compute it. The absorbed one takes `W_k` to the queries and `W_v` to the mixed latent vectors:
    a query and a token seen meet in `rank + rope_dim` and `rank` channels a head. The expanded one makes
    `k` and `v` of each token once; they meet in `head_dim + rope_dim` and `head_dim`. Over a prompt both
    project alike, so the expanded form is the smaller where `rank` is above `head_dim` (512 and 128 in
    DeepSeek-V2), at any length, and the absorbed one elsewhere. A decoded token would expand the whole cache:
    it is counted absorbed.
    """

    name: ClassVar[str] = "mla"
    kind: ClassVar[Kind] = "attention"
    module: ClassVar[str] = "proxies.operators.mla:MLA"
    settings: ClassVar[Mapping[str, Setting]] = {
        "rank": Setting(Fraction(1, 4), Fraction(1, 1024), 4),
        "rope": Setting(Fraction(1, 2), 0, 4),
    }

    heads: int = Field(ge=1, le=MAX_SIZE)
    head_dim: int = Field(ge=1, le=MAX_SIZE, description="unrotated key size, and value size, of a head")
    rope_dim: int = Field(ge=0, le=MAX_SIZE, description="rotated key size, the same for all heads; 0: none")
    rank: int = Field(ge=1, le=MAX_SIZE, description="size of the latent vector")
    rope_theta: float = Field(default=10000.0, gt=0)

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Heads fill the width; `rank` is the ratio of the latent vector to the width, `rope` of the rotated
        key to the head size."""
        rank, rope = number(settings, "rank"), number(settings, "rope")
        what = f"rope_dim (rope {rope} x head_dim {scale.head_dim})"
        return cls(
            heads=scale.heads,
            head_dim=scale.head_dim,
            rope_dim=whole(rope * scale.head_dim, what) if rope else 0,
            rank=whole(rank * scale.width, f"rank (rank {rank} x width {scale.width})"),
        )

    def check(self, width: int) -> None:
        """The rotated size is even."""
        del width
        if self.rope_dim % 2:
            raise InvalidInput(f"rope_dim = {self.rope_dim} is odd: rotary positions need an even size, or 0")

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Projections without biases, and the norm of the latent vector."""
        inner = self.heads * self.head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "q": (width, inner + self.heads * self.rope_dim),
            "down": (width, self.rank),
            "norm": (self.rank,),
            "k": (self.rank, inner),
            "v": (self.rank, inner),
            "out": (inner, width),
        }
        if self.rope_dim:
            shapes["rotary"] = (width, self.rope_dim)
        return shapes

    def feature_groups(self) -> Mapping[What, Group]:
        """The latent vector and the rotated key, together."""
        return {"cache": Group(("down", "norm", "rotary"), ("latent", "rotary"), ("latent", "rotary"))}

    def decode_flops(self, width: int, context: int) -> int:
        """Projections (those of keys and values on queries and outputs), then the latent vectors seen."""
        return self._projection_flops(width) + self._pair_flops(self.rank) * context

    def prefill_flops(self, width: int, tokens: int) -> int:
        """FLOPs of the smaller form, each token's keys and values made once."""
        pair = self._pair_flops(min(self.rank, self.head_dim))
        return tokens * self._projection_flops(width) + pair * (tokens * (tokens + 1) // 2)

    def _projection_flops(self, width: int) -> int:
        """FLOPs of a token that do not grow with the context, the same in both forms."""
        projections = self.matrix_flops(width, "q", "down", "k", "v", "out")
        return projections + (self.matrix_flops(width, "rotary") if self.rope_dim else 0)

    def _pair_flops(self, size: int) -> int:
        """FLOPs of a query and a token seen that meet in `size` channels a head beside the rotated ones."""
        return 2 * self.heads * (2 * size + self.rope_dim)

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """Latent vectors and rotated keys of all tokens."""
        del width
        return {"latent": (context, self.rank), "rotary": (context, self.rope_dim)}

    def state_traffic(self, width: int, context: int) -> int:
        """Reads the whole cache, a shared one too; writes one token of its own."""
        full, own = self.state(width, context), self.own_state(width, context)
        return sum(prod(s) for s in full.values()) + sum(prod(s[1:]) for s in own.values())

    def activation_elements(self, width: int) -> int:
        """Queries, latent vector, keys and values of all heads, mixed heads."""
        del width
        return self.heads * (4 * self.head_dim + 2 * self.rope_dim) + 2 * self.rank + self.rope_dim
