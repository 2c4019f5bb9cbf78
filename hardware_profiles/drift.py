"""How fast a shared machine was, from readings of a yardstick beside its measurements.

Drift is slow and a reading is noisy: each measurement goes by the median of the readings around it in time.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from hardware_profiles.families import PHASES, Phase

REACH = 4
"""Measurements before and after whose readings count too."""
FOLLOWED: dict[Phase, float] = {"prefill": 1.0, "decode": 0.5}
"""How much of the yardstick's drift, in logarithms, is taken off. A token is more than a stream from memory,
and follows its drift only in part; half is a round figure."""


def drifts(
    readings: Sequence[Mapping[Phase, float]], usual: Mapping[Phase, float]
) -> list[dict[Phase, float]]:
    """For each of consecutive measurements, by what factor the machine was slower than usual; readings in
    seconds."""
    near = [readings[max(0, i - REACH) : i + REACH + 1] for i in range(len(readings))]
    return [
        {phase: (median(r[phase] for r in some) / usual[phase]) ** FOLLOWED[phase] for phase in PHASES}
        for some in near
    ]
