"""Quality: how far a candidate's scores lie above those of the references, and how far that may be off.

A score is `1 - loss / baseline loss`: 0 at the best trivial baseline of its task, 1 at perfect. The unit of
quality is, task by task, the deviation between the references or the noise of a single training, whichever is
more, so that no difference that another seed would turn round counts as large. Results of before scores had a
baseline keep the rule of their time.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Scores = dict[str, float]
"""Score by task; higher is better."""
Replicates = Mapping[str, tuple[float, ...]]
"""Scores by task, one a replicate."""
Yardstick = Literal["deviation", "noise", "resolution"]
"""What the scores of a task are divided by."""

FEWEST_REFERENCES = 3
"""A deviation needs as many references."""
LEAST_DIVISOR = 1e-4
"""Scores of 0 to 1 that differ by less differ by rounding."""


@dataclass(frozen=True)
class ZeroPoint:
    """The best answer to a task that nobody has to train for: what a score of 0 stands for."""

    name: str
    loss: float | None
    """Nats a judged token."""
    accuracy: float | None
    """Share of right answers, on the test stream."""

    @property
    def words(self) -> str:
        """Name, loss and accuracy: `majority, 2.079 nats, accuracy 0.125`."""
        parts = [self.name] if self.name else []
        parts += [] if self.loss is None else [f"{self.loss:.3f} nats"]
        parts += [] if self.accuracy is None else [f"accuracy {self.accuracy:.3f}"]
        return ", ".join(parts)


@dataclass(frozen=True)
class TaskScale:
    """What the scores of one task are measured with at one rung."""

    mean: float
    """Mean score of the references."""
    divisor: float
    """Score that counts as one of quality."""
    divided_by: Yardstick
    """What the divisor is."""
    references: int
    """References that were trained."""
    best: float
    """Mean score of the best reference."""
    deviation: float | None
    """Standard deviation between the references' mean scores; None of fewer than three."""
    noise: float | None
    """Standard deviation of the score of one training between seeds; None where nothing tells it."""
    baseline: ZeroPoint | None
    """None of older results, whose scores have none."""

    @property
    def mastered(self) -> bool:
        """Whether a reference stands above the baseline by more than noise; older scores cannot say."""
        return self.baseline is None or self.noise is None or self.best > self.noise


@dataclass(frozen=True)
class RungScale:
    """What the scores of all tasks are measured with at one rung."""

    tasks: dict[str, TaskScale]
    weights: dict[str, float]
    """Weight of each task in effect; all are 0 where nothing is mastered at the last rung."""


def pooled_deviation(groups: Sequence[Sequence[float]]) -> float | None:
    """Deviation within groups, `sqrt(sum of squares / sum(n - 1))`; None where every group has one member."""
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return None
    squares = sum((x - statistics.fmean(group)) ** 2 for group in groups for x in group)
    return math.sqrt(squares / freedom)


def task_scale(
    references: Sequence[Sequence[float]],
    baseline: ZeroPoint | None,
    resolution: float,
    noise: float | None = None,
) -> TaskScale:
    """The scale of a task by each reference's replicates, of one reference at least.

    `noise` is that of another rung, for replicates that tell none. Scores without a baseline, or without a
    noise, are divided by the population deviation, at least the `resolution` of their metric.
    """
    means = [statistics.fmean(each) for each in references]
    mean, best = statistics.fmean(means), max(means)
    measured = pooled_deviation(references)
    noise = noise if measured is None else measured
    if baseline is None or noise is None:
        spread = statistics.pstdev(means)
        divided_by: Yardstick = "deviation" if spread >= resolution else "resolution"
        divisor = max(spread, resolution)
        return TaskScale(mean, divisor, divided_by, len(means), best, spread, noise, baseline)
    deviation = statistics.stdev(means) if len(means) >= FEWEST_REFERENCES else None
    choices: list[tuple[float, Yardstick]] = [(deviation or 0.0, "deviation"), (noise, "noise")]
    divisor, divided_by = max([*choices, (LEAST_DIVISOR, "resolution")], key=lambda choice: choice[0])
    return TaskScale(mean, divisor, divided_by, len(means), best, deviation, noise, baseline)


def quality(scores: Scores, scale: RungScale) -> float | None:
    """Weighted mean over tasks of `(score - reference mean) / divisor`; None where no task has weight."""
    whole = sum(scale.weights.values())
    if not whole:
        return None
    total = sum(
        scale.weights[task] * (score - scale.tasks[task].mean) / scale.tasks[task].divisor
        for task, score in scores.items()
    )
    return total / whole


def quality_error(replicates: Mapping[str, int], scale: RungScale) -> float | None:
    """Standard error of a quality from so many trainings of each task; None where a noise is not known.

    The references' own errors are left out: they move all candidates alike.
    """
    whole, squares = sum(scale.weights.values()), 0.0
    for task, count in replicates.items():
        weight, each = scale.weights[task], scale.tasks[task]
        if not weight:
            continue
        if each.noise is None:
            return None
        squares += (weight / whole * each.noise / each.divisor) ** 2 / count
    return math.sqrt(squares) if whole else None


def shares(candidates: Sequence[Scores], scale: RungScale) -> dict[str, float]:
    """Share of each task in the spread of quality, `w_i cov(z_i, Q) / var(Q)`: their sum is 1.

    Empty where qualities do not differ. A share is below 0 where the task runs against the others.
    """
    qualities = [worth for scores in candidates if (worth := quality(scores, scale)) is not None]
    whole = sum(scale.weights.values())
    if len(qualities) < 2 or (spread := statistics.pvariance(qualities)) == 0:
        return {}
    middle, parts = statistics.fmean(qualities), {}
    for task, weight in scale.weights.items():
        values = [scores[task] for scores in candidates]
        together = statistics.fmean((q - middle) * score for q, score in zip(qualities, values, strict=True))
        parts[task] = weight / whole * together / scale.tasks[task].divisor / spread
    return parts
