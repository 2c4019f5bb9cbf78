"""The yardstick of `proxies.yardstick` in numpy: what tells a machine's drift beside llama.cpp.

A stream of 128 MiB and a product of two square matrices, each cut among threads that sleep in between. The
BLAS below is held to one thread (`archsearch.runtimes` sets its environment): its own threads go on spinning
after their work, on the cores that llama.cpp is to be timed on.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

from archsearch.llama_cpp.binding import threads

STREAM_BYTES = 128 << 20
"""Beyond the last-level cache of most CPUs."""
SIDE = 768
REPEATS = 9
"""A tenth of a second in all: a passing disturbance is not drift."""


class Yardstick:
    """A matrix-vector product over `STREAM_BYTES`, and a product of two square matrices; float32."""

    def __init__(self) -> None:
        workers, side = threads(), int((STREAM_BYTES / 4) ** 0.5)
        self._pool = ThreadPoolExecutor(workers)
        self._parts = np.array_split(np.full((side, side), 0.5, np.float32), workers)
        self._row = np.ones(side, np.float32)
        self._square = np.full((SIDE, SIDE), 0.5, np.float32)
        self._bands = np.array_split(self._square, workers)
        self.read()

    def around(self, before: dict[str, float]) -> dict[str, float]:
        """The pace of what was measured between `before` and now: the faster of both, since what disturbed
        one of them for a moment is no drift.
        """
        after = self.read()
        return {phase: min(before[phase], after[phase]) for phase in before}

    def read(self) -> dict[str, float]:
        """Seconds of each, the first quartile of a few: `decode` what memory bounds, `prefill` the other."""
        return {"decode": _quartile(self.flush), "prefill": _quartile(self._multiply)}

    def flush(self) -> None:
        """Fill the caches with something else, as the rest of a large model does between two tokens."""
        list(self._pool.map(lambda part: part @ self._row, self._parts))

    def _multiply(self) -> None:
        list(self._pool.map(lambda band: band @ self._square, self._bands))


def _quartile(step: Callable[[], None]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = perf_counter()
        step()
        seconds.append(perf_counter() - start)
    return float(np.percentile(seconds, 25))
