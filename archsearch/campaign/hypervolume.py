"""The hypervolume: how much of what could be reached the front has reached, in one number."""

import math
from collections.abc import Mapping, Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import QUALITY, Objective
from hardware_profiles import Estimate

QUALITY_FLOOR = -5.0
"""Quality of the reference point: five reference deviations below the references' mean."""


def reference_point(
    objectives: tuple[Objective, ...], references: Sequence[Mapping[str, Estimate]]
) -> dict[str, float]:
    """The corner that the hypervolume is measured from, fixed before anything is trained.

    Quality: `QUALITY_FLOOR`. A cost: its bound, where that is finite, else twice the worst reference's (half,
    where more is better).
    """
    point = {}
    for o in objectives:
        values = [costs[o.name].value for costs in references if o.name in costs]
        if o.name == QUALITY:
            point[o.name] = QUALITY_FLOOR
            continue
        bound = o.at_most if o.direction == "min" else o.at_least
        if bound is not None and math.isfinite(bound):
            point[o.name] = bound
        else:
            point[o.name] = 2 * max(values) if o.direction == "min" else min(values) / 2
    return point


def hypervolume(
    values: Sequence[Sequence[float]] | NDArray[np.float64],
    objectives: tuple[Objective, ...],
    point: tuple[float, ...],
) -> float:
    """Exact hypervolume between the values and the reference point.

    Quality counts in reference deviations, every other axis as a share of the reference point, so that
    units do not matter.
    """
    if not len(values):
        return 0.0
    scales = np.array(
        [1.0 if o.name == QUALITY else abs(p) or 1.0 for o, p in zip(objectives, point, strict=True)]
    )
    signs = np.array([1.0 if o.direction == "min" else -1.0 for o in objectives])
    corner = signs * np.array(point, dtype=float) / scales
    points = signs * np.array(values, dtype=float) / scales
    inside = points[(points < corner).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def reference_corner(ledger: Ledger, objectives: tuple[Objective, ...]) -> tuple[float, ...] | None:
    """The reference point of a run in the order of its objectives; None before its first session."""
    point = ledger.reference_point
    if point is None or any(o.name not in point for o in objectives):
        return None
    return tuple(point[o.name] for o in objectives)
