"""Gated DeltaNet."""

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Self

from pydantic import Field

from genomes.errors import InvalidInput
from genomes.operators.base import MAX_SIZE, Setting, Value, number, whole
from genomes.operators.delta_rule import DeltaRule
from genomes.scale import Scale


class GatedDeltaNet(DeltaRule):
    """The delta rule with one decay a head: `a = exp(-exp(A_log) softplus(x W_a + dt_bias))`.

    The output is `W_out (rms(o) * silu(x W_z))`. Queries and keys of a head are read by `value_heads /
    key_heads` neighbouring heads of the state. Yang et al., arXiv 2412.06464, equation 10 and section 3.4, in
    the form of Qwen3-Next and Qwen3.5 (`Qwen3NextGatedDeltaNet` of the transformers library); what these join
    or interleave in one projection has a weight of its own here: `q, k, v, z, b, a`, and `q_conv, k_conv,
    v_conv`.
    """

    name: ClassVar[str] = "gated_deltanet"
    module: ClassVar[str] = "proxies.operators.gated_deltanet:GatedDeltaNet"
    settings: ClassVar[Mapping[str, Setting]] = {
        "expand": Setting(Fraction(1), Fraction(1, 4), 8),
        "key": Setting(Fraction(1), Fraction(1, 1024), 1),
        "conv": Setting(Fraction(4), 2, 128, tokens=True),
    }
    decay_weights: ClassVar[tuple[str, ...]] = ("a", "a_log", "dt_bias")

    key_heads: int = Field(ge=1, le=MAX_SIZE, description="heads of queries and keys")
    value_heads: int = Field(ge=1, le=MAX_SIZE, description="heads of values; a multiple of key_heads")

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Values fill `expand` times the width; `key` is the ratio of key heads to value heads."""
        expand, key = number(settings, "expand"), number(settings, "key")
        value_heads = whole(expand * scale.heads, f"value heads (expand {expand} x {scale.heads} heads)")
        return cls(
            key_heads=whole(key * value_heads, f"key heads (key {key} x {value_heads} value heads)"),
            value_heads=value_heads,
            key_dim=scale.head_dim,
            value_dim=scale.head_dim,
            conv=int(number(settings, "conv")),
        )

    def check(self, width: int) -> None:
        """Key heads divide value heads."""
        del width
        if self.value_heads % self.key_heads:
            raise InvalidInput(
                f"key_heads = {self.key_heads} does not divide value_heads = {self.value_heads}"
            )

    @property
    def read_heads(self) -> int:
        """Heads of queries and keys."""
        return self.key_heads

    @property
    def state_heads(self) -> int:
        """Heads of values and of the state."""
        return self.value_heads

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """The decay's projection and bias, the gate's projection `z`."""
        decay = {"a": (width, self.value_heads), "dt_bias": (self.value_heads,)}
        return super().weights(width) | decay | {"z": (width, self.values)}

    def activation_elements(self, width: int) -> int:
        """The decays too."""
        return super().activation_elements(width) + self.value_heads
