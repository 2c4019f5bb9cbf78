"""What the gated feed-forwards have in common; see `genomes.operators.gated_feed_forward`."""

from typing import ClassVar

from proxies.axes import Array, Hidden, Position, State
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, constant, fan_in


class GatedFeedForward(OperatorModule):
    """Keeps no state. Subclasses give the activation of the gate."""

    activation: ClassVar["staticmethod[[Array], Array]"]
    naive_activation: ClassVar["staticmethod[[Array], Array]"]
    """The same written out."""

    def setup(self) -> None:
        """Create the weights."""
        self.gate, self.up = self.weight("gate"), self.weight("up")
        self.down = self.weight("down", fan_in(self.residual_scale))
        declared = self.spec.weights(self.width)
        self.gate_bias, self.up_bias, self.down_bias = (
            self.weight(name, constant(0)) if name in declared else 0.0
            for name in ("gate_bias", "up_bias", "down_bias")
        )

    def __call__(self, x: Hidden) -> Hidden:
        """Each token by itself."""
        gate = self.activation(project(x, self.gate) + self.gate_bias)
        return project(gate * (project(x, self.up) + self.up_bias), self.down) + self.down_bias

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Each token by itself."""
        del position
        return self(x), state

    def reference(self, x: Hidden) -> Hidden:
        """The formula with the activation written out."""
        gate = self.naive_activation(x @ self.gate + self.gate_bias)
        y: Hidden = (gate * (x @ self.up + self.up_bias)) @ self.down + self.down_bias
        return y
