"""A fixed piece of work that tells how fast the machine is just now.

Shared machines drift: what took 13 ms a token takes 17 ms an hour later. Measured beside each case, the
yardstick says by how much, apart for what memory bounds (decoding) and what arithmetic bounds (prefill).
"""

from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np

STREAM_BYTES = 128 << 20
"""Beyond the last-level cache of most CPUs."""
SIDE = 768
REPEATS = 9


class Yardstick:
    """A matrix-vector product over `STREAM_BYTES`, and a product of two square matrices; float32."""

    def __init__(self) -> None:
        side = int((STREAM_BYTES / 4) ** 0.5)
        fill = jax.jit(
            lambda n: jnp.sin(jnp.arange(n * n, dtype=jnp.float32)).reshape(n, n), static_argnums=0
        )
        self._stream, self._square = fill(side), fill(SIDE)
        self._row = jnp.ones((1, side))
        self._product = jax.jit(jnp.matmul)
        self.read()

    def read(self) -> dict[str, float]:
        """Seconds of each, medians of nine: `decode` that which memory bounds, `prefill` the other."""
        return {
            "decode": self._median(self._row, self._stream),
            "prefill": self._median(self._square, self._square),
        }

    def flush(self) -> None:
        """Fill the caches with something else, as the rest of a large model does between two tokens."""
        self._product(self._row, self._stream).block_until_ready()

    def _median(self, left: jax.Array, right: jax.Array) -> float:
        seconds = []
        for _ in range(REPEATS):
            start = perf_counter()
            self._product(left, right).block_until_ready()
            seconds.append(perf_counter() - start)
        return float(np.median(seconds))
