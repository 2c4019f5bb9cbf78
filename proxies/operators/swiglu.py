"""SwiGLU feed-forward; see `genomes.operators.swiglu`."""

import jax

from proxies.axes import Hidden, Position, State
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, fan_in


class SwiGLU(OperatorModule):
    """Keeps no state."""

    def setup(self) -> None:
        """Create the weights."""
        self.gate, self.up = self.weight("gate"), self.weight("up")
        self.down = self.weight("down", fan_in(self.residual_scale))

    def __call__(self, x: Hidden) -> Hidden:
        """Each token by itself."""
        return project(jax.nn.silu(project(x, self.gate)) * project(x, self.up), self.down)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Each token by itself."""
        del position
        return self(x), state

    def reference(self, x: Hidden) -> Hidden:
        """The formula with the sigmoid written out."""
        a = x @ self.gate
        return (a / (1 + jax.numpy.exp(-a)) * (x @ self.up)) @ self.down
