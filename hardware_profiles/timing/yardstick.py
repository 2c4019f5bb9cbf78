"""The yardstick of `hardware_profiles.timing.drift` in numpy: tells a machine's drift beside other runtimes.

Its work is cut among threads that sleep in between; of the chain, each takes products of its own. The BLAS
below is held to one thread (`hardware_profiles.runtimes.table` sets its environment): its own threads go on
spinning after their work, on the cores that a runtime is to be timed on.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from hardware_profiles import this_machine
from hardware_profiles.cases import Phase
from hardware_profiles.timing import drift

Matrices = NDArray[np.float32]


class Yardstick:
    """Chains of matrix-vector products, and a product of two square matrices; float32."""

    def __init__(self) -> None:
        workers, side = this_machine().cores, drift.CHAIN_SIDE
        self._pool = ThreadPoolExecutor(workers)
        self._chains = np.array_split(np.full((drift.CHAIN, side, side), 1 / side, np.float32), workers)
        self._square = np.full((drift.SIDE, drift.SIDE), 1 / drift.SIDE, np.float32)
        self._bands = np.array_split(self._square, workers)
        self.read()

    def read(self) -> dict[Phase, float]:
        """Seconds of each: `decode` that which memory bounds, `prefill` the other."""
        return drift.read({"decode": self.flush, "prefill": self._multiply})

    def flush(self) -> None:
        """Fill the caches with something else, as the rest of a large model does between two tokens."""
        list(self._pool.map(_through, self._chains))

    def _multiply(self) -> None:
        list(self._pool.map(lambda band: band @ self._square, self._bands))


def _through(chain: Matrices) -> None:
    column = np.ones(chain.shape[-1], np.float32)
    for matrix in chain:
        column = matrix @ column
