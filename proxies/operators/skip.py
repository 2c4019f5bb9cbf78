"""The empty block; see `genomes.operators.skip`."""

import jax.numpy as jnp

from proxies.axes import Hidden, Position, State
from proxies.operators.base import OperatorModule


class Skip(OperatorModule):
    """Adds nothing to the residual stream."""

    def __call__(self, x: Hidden) -> Hidden:
        """Zeros."""
        return jnp.zeros_like(x)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Zeros."""
        del position
        return jnp.zeros_like(x), state

    def reference(self, x: Hidden) -> Hidden:
        """Zeros."""
        return jnp.zeros_like(x)
