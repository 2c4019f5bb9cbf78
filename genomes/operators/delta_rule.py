"""What the delta rules (`gated_deltanet`, `kda`) have in common: all but the decay and the output gate."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from genomes.operators.base import MAX_SIZE, Group, Kind, Operator, What


class DeltaRule(Operator):
    """Linear attention that corrects what its state holds for a key, where plain ones add to it.

    `q, k, v = silu(conv(x W))`, q and k divided by `sqrt(|.|^2 + 1e-6)`, q by `sqrt(key_dim)` too,
    `beta = sigmoid(x W_b)`. Per head `S <- a S`, `S <- S + k (x) beta (v - S^T k)`, `o = S^T q`, with a decay
    `a`; then RMS norm per head, a gate and the output projection. The fast weights of Schlag et al., arXiv
    2102.11174, as Yang et al. train them, arXiv 2406.06484.
    """

    kind: ClassVar[Kind] = "recurrence"
    filters: ClassVar[tuple[str, ...]] = ("conv",)
    decay_weights: ClassVar[tuple[str, ...]]
    """What the decay `a` is computed with."""
    UNIT_EPS: ClassVar[float] = 1e-6
    """Number added to the squared length of queries and keys before they are divided by its root."""

    key_dim: int = Field(ge=1, le=MAX_SIZE, description="key size of a head")
    value_dim: int = Field(ge=1, le=MAX_SIZE, description="value size of a head")
    conv: int = Field(default=4, ge=2, le=128, description="length of the convolution on q, k, v")

    @property
    @abstractmethod
    def read_heads(self) -> int:
        """Heads of queries and keys."""

    @property
    @abstractmethod
    def state_heads(self) -> int:
        """Heads of values and of the state, a multiple of `read_heads`."""

    @property
    def keys(self) -> int:
        """Channels of all keys."""
        return self.read_heads * self.key_dim

    @property
    def values(self) -> int:
        """Channels of all values."""
        return self.state_heads * self.value_dim

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Projections and convolutions without biases; one norm for all heads."""
        keys, values = self.keys, self.values
        return {
            "q": (width, keys),
            "k": (width, keys),
            "v": (width, values),
            "q_conv": (self.conv, keys),
            "k_conv": (self.conv, keys),
            "v_conv": (self.conv, values),
            "b": (width, self.state_heads),
            "a_log": (self.state_heads,),
            "norm": (self.value_dim,),
            "out": (values, width),
        }

    def feature_groups(self) -> Mapping[What, Group]:
        """Keys, values, or the whole state with its decays and `beta`."""
        keys, values = ("k", "k_conv"), ("v", "v_conv")
        return {
            "keys": Group(keys, ("k",), ("k_conv",)),
            "values": Group(values, ("v",), ("v_conv",)),
            "cache": Group(
                (*keys, *values, "b", *self.decay_weights),
                ("k", "v", "beta", "log_decay"),
                ("k_conv", "v_conv", "s"),
            ),
        }

    def decode_flops(self, width: int, context: int) -> int:
        """An element of state costs 7: decay 1, recall `S^T k`, rank-one update and readout 2 each; a shared
        one is only read out."""
        del context
        matrices = [name for name, shape in self.weights(width).items() if len(shape) == 2]
        element = 7 if self.has_own("cache") else 2
        return self.matrix_flops(width, *matrices) + element * self.values * self.key_dim

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The last inputs of the convolutions and one matrix a head."""
        del width, context
        past = self.conv - 1
        return {
            "q_conv": (past, self.keys),
            "k_conv": (past, self.keys),
            "v_conv": (past, self.values),
            "s": (self.state_heads, self.key_dim, self.value_dim),
        }

    def activation_elements(self, width: int) -> int:
        """Queries, keys, values before and after the convolutions, `beta`, gates, outputs."""
        del width
        return 4 * self.keys + 4 * self.values + self.state_heads
