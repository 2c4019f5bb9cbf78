"""Ungated feed-forward; see `genomes.operators.mlp`."""

import jax
import jax.numpy as jnp

from proxies.axes import Hidden, Position, State
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, constant, fan_in
from proxies.operators.geglu import naive_gelu


class MLP(OperatorModule):
    """Keeps no state."""

    def setup(self) -> None:
        """Create the weights."""
        self.up, self.down = self.weight("up"), self.weight("down", fan_in(self.residual_scale))
        self.up_bias = self.weight("up_bias", constant(0)) if self.spec.bias else 0.0
        self.down_bias = self.weight("down_bias", constant(0)) if self.spec.bias else 0.0

    def __call__(self, x: Hidden) -> Hidden:
        """Each token by itself."""
        z = project(x, self.up) + self.up_bias
        activated = jax.nn.gelu(z) if self.spec.activation == "gelu" else jnp.square(jax.nn.relu(z))
        return project(activated, self.down) + self.down_bias

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Each token by itself."""
        del position
        return self(x), state

    def reference(self, x: Hidden) -> Hidden:
        """The formula with the activation written out."""
        z = x @ self.up + self.up_bias
        activated = naive_gelu(z) if self.spec.activation == "gelu" else jnp.where(z > 0, z * z, 0)
        y: Hidden = activated @ self.down + self.down_bias
        return y
