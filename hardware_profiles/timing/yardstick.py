"""A yardstick: a fixed piece of work, which tells how fast a shared machine is just now.

It is done by what measures (here in numpy, in `proxies.runtime.yardstick` under jax) and apart for the two
that bound a model: memory in decoding, arithmetic in a prompt. Its decoding is a chain of small matrix-vector
products, as that of a model is: one large product of the same bytes drifts by other factors than models do.

Numpy's work is cut among threads that sleep in between; of the chain, each takes products of its own. The
BLAS below is held to one thread (`hardware_profiles.runtimes.table` sets its environment): its own threads go
on spinning after their work, on the cores that a runtime is to be timed on.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hardware_profiles.cases import PHASES, Phase
from hardware_profiles.machine import this_machine

CHAIN, CHAIN_SIDE = 128, 512
"""Square matrices that a vector goes through, float32: 128 MiB, beyond the last-level cache of most CPUs."""
SIDE = 768
"""Side of the two square matrices that are multiplied."""
REPEATS = 9
"""Repeats of each piece of work: a tenth of a second in all, since a passing disturbance is no drift."""

Work = Mapping[Phase, Callable[[], object]]
"""The piece that memory bounds, as `decode`, and the one that arithmetic bounds, as `prefill`."""


class Yardstick:
    """Two pieces of work, done once when it is made: what they compile and allocate is no reading."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.read()

    def read(self) -> dict[Phase, float]:
        """Seconds of each piece of work, medians of `REPEATS`."""
        return {phase: median(_seconds(self._work[phase]) for _ in range(REPEATS)) for phase in PHASES}


def numpy_work() -> Work:
    """Chains of matrix-vector products, and a product of two square matrices; float32."""
    workers = this_machine().cores
    pool = ThreadPoolExecutor(workers)
    chains = np.array_split(np.full((CHAIN, CHAIN_SIDE, CHAIN_SIDE), 1 / CHAIN_SIDE, np.float32), workers)
    square = np.full((SIDE, SIDE), 1 / SIDE, np.float32)
    bands = np.array_split(square, workers)
    return {
        "decode": lambda: list(pool.map(_through, chains)),
        "prefill": lambda: list(pool.map(lambda band: band @ square, bands)),
    }


def _through(chain: NDArray[np.float32]) -> None:
    column = np.ones(chain.shape[-1], np.float32)
    for matrix in chain:
        column = matrix @ column


def _seconds(step: Callable[[], object]) -> float:
    start = perf_counter()
    step()
    return perf_counter() - start
