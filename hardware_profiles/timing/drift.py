"""How fast a shared machine was, from readings of a yardstick beside its measurements.

A yardstick is a fixed piece of work, done by what measures (`proxies.runtime.yardstick` in jax,
`hardware_profiles.timing.yardstick` in numpy) and apart for the two that bound a model: memory in decoding,
arithmetic in a prompt. Its decoding is a chain of small matrix-vector products, as that of a model is: one
large product of the same bytes drifts by other factors than models do.

Drift is slow and a reading is noisy: each measurement goes by the median of the readings around it in time.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from time import perf_counter

from hardware_profiles.cases import PHASES, Phase

CHAIN, CHAIN_SIDE = 128, 512
"""Square matrices that a vector goes through, float32: 128 MiB, beyond the last-level cache of most CPUs."""
SIDE = 768
"""Of the two square matrices that are multiplied."""
REPEATS = 9
"""Of each: a tenth of a second in all, since a passing disturbance is no drift."""
REACH = 4
"""Measurements before and after whose readings count too."""


def read(work: Mapping[Phase, Callable[[], object]]) -> dict[Phase, float]:
    """Seconds of each piece of work, medians of `REPEATS`."""
    return {phase: median(_seconds(work[phase]) for _ in range(REPEATS)) for phase in PHASES}


def between(before: Mapping[Phase, float], after: Mapping[Phase, float]) -> dict[Phase, float]:
    """The reading of what was measured between two readings."""
    return {phase: (before[phase] + after[phase]) / 2 for phase in PHASES}


def drifts(
    readings: Sequence[Mapping[Phase, float]], usual: Mapping[Phase, float]
) -> list[dict[Phase, float]]:
    """For each of consecutive measurements, by what factor the machine was slower than usual; readings in
    seconds."""
    near = [readings[max(0, i - REACH) : i + REACH + 1] for i in range(len(readings))]
    return [{phase: median(r[phase] for r in some) / usual[phase] for phase in PHASES} for some in near]


def _seconds(step: Callable[[], object]) -> float:
    start = perf_counter()
    step()
    return perf_counter() - start
