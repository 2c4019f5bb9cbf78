"""The empty block."""

from collections.abc import Mapping
from typing import ClassVar, Self

from genomes.operators.base import Kind, Operator, Value
from genomes.scale import Scale


class Skip(Operator):
    """The identity: no norm, no weights, no cost. It lets a search choose the depth."""

    name: ClassVar[str] = "skip"
    kind: ClassVar[Kind] = "skip"
    module: ClassVar[str] = "proxies.operators.skip:Skip"

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """The same at every scale."""
        del scale, settings
        return cls()

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """No weights."""
        del width
        return {}

    def decode_flops(self, width: int, context: int) -> int:
        """No FLOPs."""
        del width, context
        return 0

    def activation_elements(self, width: int) -> int:
        """No intermediate results."""
        del width
        return 0
