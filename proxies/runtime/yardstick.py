"""The work of a yardstick (`hardware_profiles.timing.yardstick`) in jax, on the device that is measured."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from hardware_profiles.timing.yardstick import CHAIN, CHAIN_SIDE, SIDE, Work
from proxies.axes import Array


def jax_work() -> Work:
    """A chain of matrix-vector products, and a product of two square matrices; float32."""
    chain = [jnp.full((CHAIN_SIDE, CHAIN_SIDE), 1 / CHAIN_SIDE) for _ in range(CHAIN)]
    square, row = jnp.full((SIDE, SIDE), 1 / SIDE), jnp.ones((1, CHAIN_SIDE))
    through, multiply = jax.jit(_through), jax.jit(jnp.matmul)
    return {
        "decode": lambda: through(row, chain).block_until_ready(),
        "prefill": lambda: multiply(square, square).block_until_ready(),
    }


def _through(row: Array, chain: Sequence[Array]) -> Array:
    for matrix in chain:
        row = row @ matrix
    return row
