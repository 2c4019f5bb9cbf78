"""Quality: how far a candidate's scores lie above those of the references."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Scores = dict[str, float]
"""Score by task; higher is better."""


@dataclass(frozen=True)
class TaskScale:
    """What the scores of one task are measured with, in its metric's unit."""

    mean: float
    """Mean score of the references."""
    divisor: float
    """Score that counts as one of quality."""


def reference_scale(
    references: Sequence[Scores], resolutions: Mapping[str, float]
) -> dict[str, TaskScale] | None:
    """The scale of each task by the references' scores; None without any.

    The divisor is the (population) standard deviation, at least the resolution of the metric.
    """
    by_task: dict[str, list[float]] = defaultdict(list)
    for scores in references:
        for task, score in scores.items():
            by_task[task].append(score)
    return {
        task: TaskScale(statistics.fmean(each), max(statistics.pstdev(each), resolutions[task]))
        for task, each in by_task.items()
    } or None


def quality(scores: Scores, scale: Mapping[str, TaskScale], weights: Mapping[str, float]) -> float:
    """Weighted mean over tasks of `(score - reference mean) / divisor`."""
    total = sum(
        weights[task] * (score - scale[task].mean) / scale[task].divisor for task, score in scores.items()
    )
    return total / sum(weights.values())
