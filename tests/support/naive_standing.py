"""The naive twin of `archsearch.campaign.standing`: everything from the whole ledger, each time."""

import statistics
from collections import defaultdict

from archsearch.campaign.dominance import nondominated
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.hypervolume import hypervolume
from archsearch.campaign.ledger import Ledger, TrialRecord
from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import HypervolumePoint
from proxies.tasks import TASKS
from proxies.trial import best_index

Place = tuple[str, int]
Values = tuple[float, ...]


def chosen(ledger: Ledger, proxy: str, rung: int) -> dict[Place, TrialRecord] | None:
    """The trial with the best learning rate for each (task, replicate); None before all are done."""
    keys = ledger.asked.get((proxy, rung))
    if keys is None or (proxy, rung) in ledger.failures or any(key not in ledger.trials for key in keys):
        return None
    groups: dict[Place, list[TrialRecord]] = defaultdict(list)
    for key in keys:
        record = ledger.trials[key]
        groups[record.task, record.replicate].append(record)
    return {
        place: group[best_index([r.result.validation_loss for r in group])] for place, group in groups.items()
    }


def failure(ledger: Ledger, proxy: str, rung: int) -> str | None:
    """Why a proxy failed at a rung, or None."""
    if cause := ledger.failures.get((proxy, rung)):
        return cause
    for (task, _), record in (chosen(ledger, proxy, rung) or {}).items():
        if record.result.status != "ok":
            return f"{task}: {record.result.cause}"
    return None


def scores_of(ledger: Ledger, proxy: str, rung: int) -> dict[str, float] | None:
    """Score of each task at a rung; None where not known."""
    trials = chosen(ledger, proxy, rung)
    if trials is None or failure(ledger, proxy, rung) is not None:
        return None
    scores: dict[str, list[float]] = defaultdict(list)
    for (task, _), record in trials.items():
        assert record.result.score is not None
        scores[task].append(record.result.score)
    return {task: statistics.fmean(values) for task, values in scores.items()}


def scale(ledger: Ledger, rung: int) -> dict[str, tuple[float, float]] | None:
    """Mean and divisor of each task's score over the references at a rung."""
    campaign = ledger.campaign
    by_name = {record.name: record for record in ledger.candidates.values() if record.origin == "reference"}
    if any(name not in by_name for name in campaign.references):
        return None
    resolutions = {campaign.task_name(i): TASKS[s.task].resolution for i, s in enumerate(campaign.tasks)}
    collected: dict[str, list[float]] = defaultdict(list)
    for name in campaign.references:
        proxy = by_name[name].proxy
        scores = scores_of(ledger, proxy, rung)
        if scores is None:
            if any(failure(ledger, proxy, r) for r in range(rung + 1)):
                continue
            return None
        for task, score in scores.items():
            collected[task].append(score)
    return {
        task: (statistics.fmean(scores), max(statistics.pstdev(scores), resolutions[task]))
        for task, scores in collected.items()
    } or None


def quality(ledger: Ledger, proxy: str, rung: int) -> float | None:
    """Weighted mean over tasks of `(score - reference mean) / divisor`."""
    scores, scales = scores_of(ledger, proxy, rung), scale(ledger, rung)
    if scores is None or scales is None:
        return None
    weights = {ledger.campaign.task_name(i): s.weight for i, s in enumerate(ledger.campaign.tasks)}
    total = sum(weights[task] * (score - scales[task][0]) / scales[task][1] for task, score in scores.items())
    return total / sum(weights.values())


def values(
    ledger: Ledger, record: CandidateRecord, rung: int, objectives: tuple[Objective, ...]
) -> Values | None:
    """Values of all objectives with the quality at a rung; None where one is not known."""
    worth = quality(ledger, record.proxy, rung)
    if worth is None or any(o.name != "quality" and o.name not in record.costs for o in objectives):
        return None
    return tuple(worth if o.name == "quality" else record.costs[o.name].value for o in objectives)


def front(ledger: Ledger, objectives: tuple[Objective, ...]) -> list[str]:
    """Fingerprints of the non-dominated candidates of the last rung, best quality first."""
    last = len(ledger.campaign.budget.rungs) - 1
    known = [
        (each, record.fingerprint)
        for record in ledger.candidates.values()
        if record.rejected is None and (each := values(ledger, record, last, objectives)) is not None
    ]
    index = [o.name for o in objectives].index("quality")
    known.sort(key=lambda pair: (-pair[0][index], pair[1]))
    kept = nondominated([each for each, _ in known], objectives)
    return [fingerprint for (_, fingerprint), keep in zip(known, kept, strict=True) if keep]


def history(ledger: Ledger, objectives: tuple[Objective, ...], point: Values) -> tuple[HypervolumePoint, ...]:
    """Hypervolume of the front after each candidate that reached the last rung."""
    last = len(ledger.campaign.budget.rungs) - 1
    seen: set[str] = set()
    rows: list[Values] = []
    points = []
    for proxy, rung in ledger.completions:
        seen.add(proxy)
        if rung != last:
            continue
        twins = (record for record in ledger.candidates.values() if record.proxy == proxy)
        known = (values(ledger, record, last, objectives) for record in twins)
        rows += [each for each in known if each is not None]
        points.append(HypervolumePoint(len(seen), hypervolume(rows, objectives, point)))
    return tuple(points)


def counts(ledger: Ledger) -> dict[str, int]:
    """Candidates by status."""
    rungs = range(len(ledger.campaign.budget.rungs))
    statuses = []
    for record in ledger.candidates.values():
        if record.rejected is not None:
            statuses.append("rejected")
        elif any(failure(ledger, record.proxy, rung) for rung in rungs):
            statuses.append("failed")
        elif any(scores_of(ledger, record.proxy, rung) is not None for rung in rungs):
            statuses.append("evaluated")
    return {status: statuses.count(status) for status in ("evaluated", "failed", "rejected")}
