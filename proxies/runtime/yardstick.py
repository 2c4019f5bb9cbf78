"""The yardstick of `hardware_profiles.timing.drift` in jax: tells how fast the machine is just now."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from hardware_profiles.cases import Phase
from hardware_profiles.timing import drift
from proxies.axes import Array


class Yardstick:
    """A chain of matrix-vector products, and a product of two square matrices; float32."""

    def __init__(self) -> None:
        side = drift.CHAIN_SIDE
        self._chain = [jnp.full((side, side), 1 / side) for _ in range(drift.CHAIN)]
        self._square = jnp.full((drift.SIDE, drift.SIDE), 1 / drift.SIDE)
        self._row = jnp.ones((1, side))
        self._through, self._multiply = jax.jit(_through), jax.jit(jnp.matmul)
        self.read()

    def read(self) -> dict[Phase, float]:
        """Seconds of each: `decode` that which memory bounds, `prefill` the other."""
        return drift.read({"decode": self.flush, "prefill": self._product})

    def flush(self) -> None:
        """Fill the caches with something else."""
        self._through(self._row, self._chain).block_until_ready()

    def _product(self) -> None:
        self._multiply(self._square, self._square).block_until_ready()


def _through(row: Array, chain: Sequence[Array]) -> Array:
    for matrix in chain:
        row = row @ matrix
    return row
