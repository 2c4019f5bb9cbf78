"""Which candidates surely beat which others: Pareto dominance that respects how far predictions err.

On an objective with a margin two values differ surely only where their ratio is at least `exp(margin)`
(`Objective.margin`). One candidate dominates another where it is surely better on one objective, and on each
other one surely better or equal to the last digit; without margins that is Pareto's. On each objective
"surely better or equal" is a partial order, so dominance is a strict one: it never runs in a circle, and
fronts can be peeled off one by one.
"""

import math
from collections.abc import Sequence
from itertools import compress

import moocore
import numpy as np
from numpy.typing import NDArray

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


def dominations(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """`dominates` of every two values at once: a row for the first, a column for the second."""
    columns = np.array(values, dtype=float).reshape(len(values), len(objectives)).T
    shape = len(values), len(values)
    no_worse, differs = np.ones(shape, bool), np.zeros(shape, bool)
    for column, o in zip(columns, objectives, strict=True):
        own, others = column[:, None], column[None, :]
        different = own != others
        better, worse = (own, others) if o.direction == "min" else (others, own)
        no_worse &= (better * math.exp(o.margin) <= worse) | ~different
        differs |= different
    return no_worse & differs


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


class Archive:
    """The non-dominated ones of all values that were added, equal ones included."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.members: list[str] = []
        self.values = np.empty((0, len(objectives)))
        """Values of the members, one row each."""
        self._smaller_is_better = np.array([o.direction == "min" for o in objectives])
        self._factors = np.array([math.exp(o.margin) for o in objectives])

    def __len__(self) -> int:
        return len(self.members)

    def add(self, name: str, values: Sequence[float]) -> bool:
        """Take in values unless a member dominates them; members that they dominate leave."""
        row = np.array(values, dtype=float)
        if self._beats(self.values, row).any():
            return False
        stay = ~self._beats(row, self.values)
        self.members = [*compress(self.members, stay), name]
        self.values = np.vstack([self.values[stay], row])
        return True

    def _beats(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
        """`dominates`, for many against one."""
        lower, upper = np.where(self._smaller_is_better, a, b), np.where(self._smaller_is_better, b, a)
        differs = a != b
        surely: NDArray[np.bool_] = (lower * self._factors <= upper) | ~differs
        beats: NDArray[np.bool_] = surely.all(axis=1) & differs.any(axis=1)
        return beats


def ranks(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[int]:
    """The front that each value lies on: 0 where nothing dominates it, 1 where only those of 0 do, and so
    on."""
    depths = [-1] * len(values)
    left, rank = list(range(len(values))), 0
    while left:
        kept = nondominated([values[index] for index in left], objectives)
        for index, keep in zip(left, kept, strict=True):
            if keep:
                depths[index] = rank
        left = [index for index in left if depths[index] < 0]
        rank += 1
    return depths
