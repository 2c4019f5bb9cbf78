"""What the trials of one proxy at one rung say of it."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from archsearch.campaign.choices import best
from archsearch.campaign.ledger import Ledger, TrialRecord
from archsearch.campaign.quality import Replicates, Scores, ZeroPoint
from proxies.trial import ABOVE_BASELINE, TrialResult

Chosen = Mapping[tuple[str, int], TrialRecord]
"""The trial with the best learning rate by task and replicate."""


@dataclass(frozen=True)
class Verdict:
    """What the trials of a proxy say at a rung."""

    chosen: Chosen | None = None
    """None before all are done, and where the job failed."""
    failure: str | None = None
    """Why it failed: its job, or every learning rate of some task."""
    replicates: Replicates | None = None
    """Scores of each task, one a replicate; None where it failed or is not yet known."""

    @cached_property
    def scores(self) -> Scores | None:
        """Mean score of each task over its replicates; None where it failed or is not yet known."""
        if self.replicates is None:
            return None
        return {task: statistics.fmean(values) for task, values in self.replicates.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Number of replicates of each task; empty without scores."""
        return {task: len(values) for task, values in (self.replicates or {}).items()}

    @property
    def accuracies(self) -> dict[str, float]:
        """Mean accuracy of each task on the test stream, where every replicate has one."""
        by_task: dict[str, list[float | None]] = defaultdict(list)
        for (task, _), record in (self.chosen or {}).items():
            by_task[task].append(record.result.accuracy)
        known = {task: [a for a in values if a is not None] for task, values in by_task.items()}
        return {
            task: statistics.fmean(values)
            for task, values in known.items()
            if values and len(values) == len(by_task[task])
        }


NOTHING = Verdict()
"""The verdict before anything is known."""


def judge(ledger: Ledger, proxy: str, rung: int) -> Verdict:
    """Judge a proxy at a rung; the one beyond the last is the training after the search."""
    place = (proxy, rung)
    if place in ledger.failures:
        return Verdict(failure=ledger.failures[place])
    keys = ledger.asked.get(place)
    if keys is None or any(key not in ledger.trials for key in keys):
        return NOTHING
    groups: dict[tuple[str, int], list[TrialRecord]] = defaultdict(list)
    for key in keys:
        record = ledger.trials[key]
        groups[record.task, record.replicate].append(record)
    chosen = {where: best(group) for where, group in groups.items()}
    after_search = rung == len(ledger.campaign.budget.rungs)
    scores: dict[str, list[float]] = defaultdict(list)
    for (task, _), record in chosen.items():
        score = judged_score(record.result, after_search)
        if score is None or record.result.status != "ok":
            return Verdict(chosen, f"{task}: {record.result.cause or 'it has no score'}")
        scores[task].append(score)
    return Verdict(chosen, None, {task: tuple(values) for task, values in scores.items()})


def judged_score(result: TrialResult, after_search: bool) -> float | None:
    """What counts of a trial: validation during the search, test after it. Older results hold test alone."""
    if after_search or result.metric != ABOVE_BASELINE:
        return result.score
    return result.validation_score


def baseline(result: TrialResult, after_search: bool) -> ZeroPoint | None:
    """What a score of 0 stands for; None of an older result."""
    if result.metric != ABOVE_BASELINE:
        return None
    loss = result.baseline_loss if after_search else result.validation_baseline_loss
    return ZeroPoint(result.baseline or "", loss, result.baseline_accuracy)
