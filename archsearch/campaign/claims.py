"""What may be said of a winner beside a reference: it dominates it, or the two trade.

Pareto dominance, by which the search selects, takes any difference for one. A claim to people takes only what
another seed or another measurement would not turn round.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.quality import RungScale
from archsearch.campaign.results import Candidate, Results

STANDARD_ERRORS = 2.0
"""So many standard errors of a difference are beyond noise."""

Claim = Literal["dominates", "trades"]


@dataclass(frozen=True)
class _Judgement:
    """A candidate as far as training tells, at one rung."""

    quality: float
    error: float
    """Standard error; 0 where it is not known."""
    scores: Mapping[str, float]
    replicates: Mapping[str, int]


def claim(winner: Candidate, reference: Candidate, results: Results) -> Claim | None:
    """What a winner is to a reference; None where the two were not judged at equal steps.

    It dominates where it is better on every objective and worse on no task that has weight, each beyond
    error: costs by the errors of their device where a validation tells these, scores and quality by
    `STANDARD_ERRORS`. Both are judged by the training after the search where both had it; a winner that
    failed there claims nothing.
    """
    rung, last = len(results.rungs), len(results.rungs) - 1
    pair = _after_search(winner), _after_search(reference)
    if None in pair:
        rung, pair = last, (_during_search(winner, last), _during_search(reference, last))
    first, second = pair
    if first is None or second is None:
        return None
    costs = [o for o in results.objectives if o.name != QUALITY]
    if any(o.name not in each.objectives for o in costs for each in (winner, reference)):
        return None
    if winner.final is not None and winner.final.failure is not None:
        return "trades"
    better = first.quality - second.quality > STANDARD_ERRORS * math.hypot(first.error, second.error)
    better &= all(_costs_less(winner.objectives[o.name], reference.objectives[o.name], o) for o in costs)
    return "dominates" if better and not _worse_tasks(first, second, results.scales.get(rung)) else "trades"


def claims(winner: Candidate, references: Sequence[Candidate], results: Results) -> dict[str, Claim]:
    """What a winner is to each reference that it can be compared with, by the reference's name."""
    others = [each for each in references if each.id != winner.id]
    words = {each.name: claim(winner, each, results) for each in others}
    return {name: word for name, word in words.items() if word is not None}


def _during_search(candidate: Candidate, last: int) -> _Judgement | None:
    quality = candidate.objectives.get(QUALITY)
    if candidate.status != "evaluated" or candidate.rung != last or quality is None:
        return None
    if not math.isfinite(quality):
        return None
    scores = {name.removeprefix("score[").removesuffix("]"): s for name, s in candidate.signals.items()}
    return _Judgement(quality, candidate.quality_error or 0.0, scores, candidate.replicates)


def _after_search(candidate: Candidate) -> _Judgement | None:
    final = candidate.final
    if final is None or final.quality is None:
        return None
    return _Judgement(final.quality, final.quality_error or 0.0, final.scores, final.replicates)


def _costs_less(own: float, other: float, o: Objective) -> bool:
    """Whether a cost is better beyond its error; a difference that is no number is none."""
    low, high = (own, other) if o.direction == "min" else (other, own)
    return low < high and low * math.exp(max(o.margin, o.error)) <= high


def _worse_tasks(first: _Judgement, second: _Judgement, scale: RungScale | None) -> list[str]:
    """Tasks with weight on which the first is worse beyond noise; any where the noise is not known."""
    worse = []
    for task in first.scores.keys() & second.scores.keys():
        if scale is not None and not scale.weights.get(task, 0.0):
            continue
        noise = (scale.tasks[task].noise if scale is not None else None) or 0.0
        counts = first.replicates.get(task, 1), second.replicates.get(task, 1)
        error = noise * math.sqrt(sum(1 / count for count in counts))
        if second.scores[task] - first.scores[task] > STANDARD_ERRORS * error:
            worse.append(task)
    return sorted(worse)
