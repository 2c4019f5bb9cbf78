"""The differential form of two mixers."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import FieldSerializationInfo, SerializeAsAny, field_serializer

from genomes.errors import InvalidInput
from genomes.operators.base import Group, Kind, Operator, Value, What
from genomes.scale import Scale


class Difference(Operator):
    """`y = plus(x) - minus(x)`, each with weights and a state of its own.

    The differential form of a linear input-varying system (STAR, arXiv 2411.17800, appendix A), there of two
    systems of one class. A layout writes it `attention-attention`.
    """

    name: ClassVar[str] = "difference"
    module: ClassVar[str] = "proxies.operators.difference:Difference"
    operands: ClassVar[tuple[str, ...]] = ("plus", "minus")

    plus: SerializeAsAny[Operator]
    minus: SerializeAsAny[Operator]

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """The family of the first mixer."""
        return self.plus.kind

    @property
    def parts(self) -> dict[str, Operator]:
        """Both mixers by name."""
        return {"plus": self.plus, "minus": self.minus}

    def part(self, name: str) -> Operator:
        """A mixer with the shares of the whole, but for weights: those are shared as a whole."""
        shares = tuple(share for share in self.shares if share.what != "weights")
        return self.parts[name].model_copy(update={"shares": shares})

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """Never from settings: `Block.at` joins two blocks."""
        del scale, settings
        raise InvalidInput("a difference is written as two mixers, like attention-attention")

    def canonical(self, context: int | None = None) -> Operator:
        """The difference of the simplest mixers."""
        plus, minus = self.plus.canonical(context), self.minus.canonical(context)
        if plus is self.plus and minus is self.minus:
            return self
        return self.model_copy(update={"plus": plus, "minus": minus})

    def behind(self, mixers: int) -> Self:
        """Both mixers as they start there."""
        return self.model_copy(update={n: part.behind(mixers) for n, part in self.parts.items()})

    def check(self, width: int) -> None:
        """Both are mixers, legal at the width, neither a difference nor sharing by itself."""
        for name, part in self.parts.items():
            if part.kind in ("memoryless", "skip") or isinstance(part, Difference):
                raise InvalidInput(f"{name} = {part.name}: a difference takes two mixers, none of them one")
            if part.shares:
                raise InvalidInput(f"{name}: sharing belongs to the whole difference, not to one part")
            try:
                part.check(width)
            except InvalidInput as error:
                raise InvalidInput(f"{name} ({part.name}): {error}") from None

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """Weights of both mixers, as `plus/NAME` and `minus/NAME`."""
        parts = self.parts.items()
        return {f"{name}/{key}": shape for name, part in parts for key, shape in part.weights(width).items()}

    def feature_groups(self) -> Mapping[What, Group]:
        """What both can share, both shared at once."""
        first, second = self.plus.feature_groups(), self.minus.feature_groups()
        return {what: self._group(first[what], second[what]) for what in first if what in second}

    def _group(self, *groups: Group) -> Group:
        parts = list(zip(self.parts, groups, strict=True))
        return Group(
            weights=tuple(f"{name}/{each}" for name, group in parts for each in group.weights),
            features=tuple(f"{name}/{each}" for name, group in parts for each in group.features),
            state=tuple(f"{name}/{each}" for name, group in parts for each in group.state),
        )

    def decode_flops(self, width: int, context: int) -> int:
        """FLOPs of both mixers."""
        return sum(part.decode_flops(width, context) for part in map(self.part, self.parts))

    def prefill_flops(self, width: int, tokens: int) -> int:
        """FLOPs of both mixers, summed over tokens."""
        return sum(part.prefill_flops(width, tokens) for part in map(self.part, self.parts))

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """States of both mixers, as `plus/NAME` and `minus/NAME`."""
        parts = [(name, part.state(width, context)) for name, part in self.parts.items()]
        return {f"{name}/{key}": shape for name, state in parts for key, shape in state.items()}

    def constants(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """Constants of both mixers, named likewise."""
        parts = [(name, part.constants(width, context)) for name, part in self.parts.items()]
        return {f"{name}/{key}": shape for name, kept in parts for key, shape in kept.items()}

    def state_traffic(self, width: int, context: int) -> int:
        """Traffic of both mixers."""
        return sum(part.state_traffic(width, context) for part in map(self.part, self.parts))

    def activation_elements(self, width: int) -> int:
        """Intermediate results of both mixers, and the output of the first."""
        return sum(part.activation_elements(width) for part in self.parts.values()) + width

    @field_serializer("plus", "minus")
    def _write(self, part: Operator, info: FieldSerializationInfo) -> dict[str, Any]:
        return part.to_dict(exclude_defaults=info.exclude_defaults)
