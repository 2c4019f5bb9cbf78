"""Linear attention."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, Setting, Value, What, number, whole
from genomes.scale import Scale


class LinearAttention(Operator):
    """Attention with the kernel `phi(q)^T phi(k)` in place of softmax's exponential, `phi(z) = elu(z) + 1`.

    Per head `S_t = S_{t-1} + phi(k_t) (x) v_t`, `z_t = z_{t-1} + phi(k_t)`, `o_t = S_t^T phi(q_t) / (z_t^T
    phi(q_t))`, then the output projection. Katharopoulos et al., arXiv 2006.16236, equations 7 and 9 to 12.
    """

    name: ClassVar[str] = "linear_attention"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "proxies.operators.linear_attention:LinearAttention"
    settings: ClassVar[Mapping[str, Setting]] = {"key": Setting(Fraction(1), Fraction(1, 16), 4)}
    NORMALISER_EPS: ClassVar[float] = 1e-6
    """Number added to `z_t^T phi(q_t)`, as in the authors' code."""

    heads: int = Field(ge=1, le=MAX_SIZE)
    key_dim: int = Field(ge=1, le=MAX_SIZE, description="key size of a head")
    value_dim: int = Field(ge=1, le=MAX_SIZE, description="value size of a head")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Values fill the width; `key` is the ratio of key size to value size."""
        key = number(settings, "key")
        key_dim = whole(key * scale.head_dim, f"key_dim (key {key} x head_dim {scale.head_dim})")
        return cls(heads=scale.heads, key_dim=key_dim, value_dim=scale.head_dim)

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Projections without biases."""
        keys, values = self.heads * self.key_dim, self.heads * self.value_dim
        return {"q": (width, keys), "k": (width, keys), "v": (width, values), "out": (values, width)}

    def feature_groups(self) -> Mapping[What, Group]:
        """Keys, values, or the whole state."""
        return {
            "keys": Group(("k",), ("k",)),
            "values": Group(("v",), ("v",)),
            "cache": Group(("k", "v"), ("k", "v"), ("s",)),
        }

    def decode_flops(self, width: int, context: int) -> int:
        """An element of state costs 4: rank-one update, readout; one of the normaliser 3, as it adds a key
        without a value. Shared ones are only read out."""
        del context
        own = self.has_own("cache")
        key = (4 if own else 2) * self.value_dim + (3 if own else 2)
        return self.matrix_flops(width, "q", "k", "v", "out") + key * self.heads * self.key_dim

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """One matrix a head, whose last column is the normaliser."""
        del width, context
        return {"s": (self.heads, self.key_dim, self.value_dim + 1)}

    def activation_elements(self, width: int) -> int:
        """Queries, keys, values, outputs."""
        del width
        return 2 * self.heads * (self.key_dim + self.value_dim)
