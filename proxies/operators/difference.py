"""The differential form of two mixers; see `genomes.operators.difference`."""

from collections.abc import Callable
from typing import Any

from genomes import Operator
from proxies.axes import Array, Features, Hidden, Position, State
from proxies.operators import module_class
from proxies.operators.base import NOTHING, OperatorModule, Shared


class Difference(OperatorModule):
    """Runs both mixers; features and state of each carry its name before a `/`."""

    def setup(self) -> None:
        """Create both mixers; what the difference shares, both do."""

        def part(name: str) -> OperatorModule:
            spec: Operator = self.spec.part(name)
            return module_class(type(spec))(spec, self.width, self.norm_eps, self.residual_scale)

        self.plus, self.minus = part("plus"), part("minus")

    def create(self) -> None:
        """Create the weights of both."""
        self.plus.create()
        self.minus.create()

    def _parts(self) -> dict[str, OperatorModule]:
        return {"plus": self.plus, "minus": self.minus}

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """Features of both."""
        return _joined(
            {n: p.features(x, position, _part(n, state) if state else None) for n, p in self._parts().items()}
        )

    def _apply(self, run: Callable[[str, OperatorModule], Array]) -> Array:
        return run("plus", self.plus) - run("minus", self.minus)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens."""
        return self._apply(lambda name, part: part(x, **({"shared": _part(name, shared)} if shared else {})))

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from both states."""
        after: dict[str, State] = {}

        def run(name: str, part: OperatorModule) -> Array:
            extra: Any = {"shared": Shared(*(_part(name, z) for z in shared))} if shared.features else {}
            y, after[name] = part.extend(x, _part(name, state), position, **extra)
            return y

        y = self._apply(run)
        return y, _joined(after)

    def reference(self, x: Hidden) -> Hidden:
        """The difference of both references."""
        return self._apply(lambda _, part: part.reference(x))


def _part(name: str, joined: State) -> dict[str, Array]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in joined.items() if key.startswith(prefix)}


def _joined(parts: dict[str, Any]) -> dict[str, Array]:
    return {f"{name}/{key}": value for name, part in parts.items() for key, value in part.items()}
