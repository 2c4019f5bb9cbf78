"""An operator of one's own: `y_t = W (x_1 + ... + x_t) / t`, in one file.

The value says what the operator costs; the module says what it computes. The entry point in pyproject.toml
makes the name `running_mean` known to every verb of archsearch.
"""

from collections.abc import Mapping
from typing import ClassVar, Self

import jax.numpy as jnp

from genomes import Operator, Scale
from genomes.operators import Kind, Value
from proxies.axes import Array, Hidden, Position, State
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, fan_in


class RunningMean(Operator):
    """Sizes and costs; weights by name and shape, state after any number of tokens."""

    name: ClassVar[str] = "running_mean"
    kind: ClassVar[Kind] = "recurrence"
    module: ClassVar[str] = "running_mean:RunningMeanModule"

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        """The same at every scale."""
        return cls()

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        """One matrix."""
        return {"out": (width, width)}

    def decode_flops(self, width: int, context: int) -> int:
        """The projection, one addition and one division a channel."""
        return self.matrix_flops(width, "out") + 2 * width

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        """The sum so far."""
        return {"sum": (width,)}

    def activation_elements(self, width: int) -> int:
        """The mean."""
        return width


class RunningMeanModule(OperatorModule):
    """All tokens at once for training, the next ones from a state for prefill and decoding."""

    def setup(self) -> None:
        """Create the weights that the value declares."""
        self.out = self.weight("out", fan_in(self.residual_scale))

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens."""
        return project(jnp.cumsum(x, axis=1) / _count(x, 0), self.out)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens after `position` tokens."""
        total = state["sum"][:, None] + jnp.cumsum(x, axis=1)
        return project(total / _count(x, position), self.out), {"sum": total[:, -1]}

    def reference(self, x: Hidden) -> Hidden:
        """The definition, token by token."""
        means = [x[:, : t + 1].mean(axis=1) for t in range(x.shape[1])]
        return jnp.stack(means, axis=1) @ self.out


def _count(x: Hidden, position: Position) -> Array:
    return (position + jnp.arange(1, x.shape[1] + 1))[:, None]
