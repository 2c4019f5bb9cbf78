"""Drift of a shared machine, from readings of a yardstick beside its measurements.

Drift is slow and a reading is noisy: each measurement goes by the median of the readings around it in time.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from hardware_profiles.cases import PHASES, Phase

REACH = 4
"""Measurements before and after whose readings count too."""


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
