"""Mean power: what an NVIDIA board drew while something ran, by NVML's counter.

`nvmlDeviceGetTotalEnergyConsumption` counts the millijoules of a whole board (chip, memory, and whatever
else runs on it, idle power included) since its driver was loaded, on Volta and newer (NVML API reference).
Recent boards refresh it every 20 to 100 ms (PETSc, PetscLogGpuEnergyMeter), and on some the sensor behind it
looks at a quarter of the time (arXiv 2312.02741): only a window of many such periods is believed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

SHORTEST_S = 0.4
"""Shortest window, in seconds, whose mean power is believed."""
MEASURED = "measured (NVML): the board's mean power while running, times the latency"
INSTALL = "pip install '.[nvml]' in a clone of archsearch"

Counter = Callable[[], int]
"""Millijoules since some moment in the past. Raises `OSError` where it cannot be read any more."""


@dataclass(frozen=True)
class Reading:
    """What a counter of energy showed, and when."""

    at_s: float
    millijoules: int


def mean_power_w(before: Reading, after: Reading) -> float | None:
    """Watts between two readings; None where they tell nothing: a window below `SHORTEST_S`, a counter that
    stood still, or that began anew.

    >>> mean_power_w(Reading(10.0, 5_000_000), Reading(12.0, 5_600_000))
    300.0
    """
    seconds, spent = after.at_s - before.at_s, after.millijoules - before.millijoules
    return spent / 1000 / seconds if seconds >= SHORTEST_S and spent > 0 else None


@contextmanager
def mean_power(counter: Counter | None) -> Iterator[list[float | None]]:
    """Watts drawn meanwhile, in a list that is filled at the end; None where there is no counter."""
    watts: list[float | None] = []
    before = _read(counter)
    yield watts
    after = _read(counter)
    watts.append(None if before is None or after is None else mean_power_w(before, after))


def _read(counter: Counter | None) -> Reading | None:
    if counter is None:
        return None
    try:
        millijoules = counter()
    except OSError:
        return None
    return Reading(perf_counter(), millijoules)


def nvml_counter() -> tuple[Counter | None, str]:
    """The counter of the board that this process computes on, and `MEASURED`; else None, and why not.

    With several boards it is the one that lists this process among those that compute on it.
    """
    try:
        import pynvml
    except ImportError:
        return None, f"not measured: the package nvidia-ml-py is missing; {INSTALL}"
    try:
        pynvml.nvmlInit()
        boards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        if len(boards) > 1:
            boards = [board for board in boards if _is_ours(pynvml, board)]
        if len(boards) != 1:
            return None, f"not measured: {len(boards)} boards say that this process computes on them"
        (board,) = boards
        pynvml.nvmlDeviceGetTotalEnergyConsumption(board)
    except pynvml.NVMLError as error:
        return None, f"not measured: {error}"

    def counter() -> int:
        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(board))
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from None

    return counter, MEASURED


def _is_ours(pynvml: Any, board: Any) -> bool:
    return any(process.pid == os.getpid() for process in pynvml.nvmlDeviceGetComputeRunningProcesses(board))
