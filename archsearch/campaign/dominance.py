"""Which candidates surely beat which others: Pareto dominance that respects how far predictions err.

On an objective with a margin two values differ surely only where their ratio is at least `exp(margin)`
(`Objective.margin`). One candidate dominates another where it is surely better on one objective, and on each
other one surely better or equal to the last digit; without margins that is Pareto's. On each objective
"surely better or equal" is a partial order, so dominance is a strict one: it never runs in a circle, and
fronts can be peeled off one by one.
"""

import math
from collections.abc import Sequence

import moocore
import numpy as np

from archsearch.campaign.objectives import Objective


def dominates(a: Sequence[float], b: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether a candidate with the values `a` surely beats one with the values `b`.

    Values of an objective with a margin are above zero.
    """
    better = False
    for first, second, o in zip(a, b, objectives, strict=True):
        if o.direction == "max":
            first, second = second, first
        if first != second:
            # Multiplying by a factor of at least 1 keeps the order also after rounding.
            if not first * math.exp(o.margin) <= second:
                return False
            better = True
    return better


def nondominated(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[bool]:
    """Which values no other dominates; equal ones all stay."""
    if not values:
        return []
    if all(o.margin == 0 for o in objectives):
        signs = np.array([1.0 if o.direction == "min" else -1.0 for o in objectives])
        return [bool(k) for k in moocore.is_nondominated(signs * np.array(values), keep_weakly=True)]
    columns = np.array(values, dtype=float).T
    factors = [math.exp(o.margin) for o in objectives]
    kept = []
    for row in columns.T:
        no_worse, differs = np.ones(len(values), bool), np.zeros(len(values), bool)
        for column, own, factor, o in zip(columns, row, factors, objectives, strict=True):
            different = column != own
            surely = column * factor <= own if o.direction == "min" else own * factor <= column
            no_worse &= surely | ~different
            differs |= different
        kept.append(not (no_worse & differs).any())
    return kept


def ranks(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[int]:
    """The front that each value lies on: 0 where nothing dominates it, 1 where only those of 0 do, and so
    on."""
    fronts = [-1] * len(values)
    left, rank = list(range(len(values))), 0
    while left:
        kept = nondominated([values[index] for index in left], objectives)
        for index, keep in zip(left, kept, strict=True):
            if keep:
                fronts[index] = rank
        left = [index for index in left if fronts[index] < 0]
        rank += 1
    return fronts
