"""The naive twin of `archsearch.campaign.standing`: everything from the whole ledger, each time."""

import math
import statistics
from collections import defaultdict

from archsearch.campaign.dominance import nondominated
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.hypervolume import hypervolume
from archsearch.campaign.ledger import Ledger, TrialRecord
from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import HypervolumePoint
from proxies.tasks import TASKS

Place = tuple[str, int]
Values = tuple[float, ...]
Scale = dict[str, tuple[float, float, float | None, float]]
"""Mean, divisor, noise and weight in effect by task."""


def chosen(ledger: Ledger, proxy: str, rung: int) -> dict[Place, TrialRecord] | None:
    """The trial with the best learning rate for each (task, replicate); None before all are done."""
    keys = ledger.asked.get((proxy, rung))
    if keys is None or (proxy, rung) in ledger.failures or any(key not in ledger.trials for key in keys):
        return None
    groups: dict[Place, list[TrialRecord]] = defaultdict(list)
    for key in keys:
        record = ledger.trials[key]
        groups[record.task, record.replicate].append(record)

    def order(record: TrialRecord) -> tuple[int, float]:
        loss = record.result.validation_loss
        return -record.result.steps, math.inf if loss is None else loss

    return {place: min(group, key=order) for place, group in groups.items()}


def failure(ledger: Ledger, proxy: str, rung: int) -> str | None:
    """Why a proxy failed at a rung, or None."""
    if cause := ledger.failures.get((proxy, rung)):
        return cause
    for (task, _), record in (chosen(ledger, proxy, rung) or {}).items():
        if record.result.status != "ok":
            return f"{task}: {record.result.cause}"
    return None


def replicates(ledger: Ledger, proxy: str, rung: int) -> dict[str, list[float]] | None:
    """Scores of each task, one a replicate; None where not known."""
    trials = chosen(ledger, proxy, rung)
    if trials is None or failure(ledger, proxy, rung) is not None:
        return None
    scores: dict[str, list[float]] = defaultdict(list)
    for (task, _), record in trials.items():
        result = record.result
        searching = rung < len(ledger.campaign.budget.rungs) and result.metric == "above_baseline"
        score = result.validation_score if searching else result.score
        assert score is not None
        scores[task].append(score)
    return scores


def scores_of(ledger: Ledger, proxy: str, rung: int) -> dict[str, float] | None:
    """Score of each task at a rung; None where not known."""
    known = replicates(ledger, proxy, rung)
    return None if known is None else {task: statistics.fmean(each) for task, each in known.items()}


def scale(ledger: Ledger, rung: int) -> Scale | None:
    """What each task is measured with over the references at a rung."""
    campaign = ledger.campaign
    last = len(campaign.budget.rungs) - 1
    by_name = {record.name: record for record in ledger.candidates.values() if record.origin == "reference"}
    if any(name not in by_name for name in campaign.references):
        return None
    trained = []
    for name in campaign.references:
        proxy = by_name[name].proxy
        if replicates(ledger, proxy, rung) is not None:
            trained.append(proxy)
        elif not any(failure(ledger, proxy, r) for r in range(rung + 1)):
            return None
    before = scale(ledger, last) if rung > last else None
    if not trained or (rung > last and before is None):
        return None
    scales: Scale = {}
    for index, section in enumerate(campaign.tasks):
        task = campaign.task_name(index)
        groups = [(replicates(ledger, proxy, rung) or {})[task] for proxy in trained]
        trials = [
            t.result for p in trained for t in (chosen(ledger, p, rung) or {}).values() if t.task == task
        ]
        noise = pooled(groups)
        if noise is None and before is not None:
            noise = before[task][2]
        means = [statistics.fmean(group) for group in groups]
        weight = section.weight
        if trials[-1].metric == "above_baseline" and noise is not None:
            deviation = statistics.stdev(means) if len(means) >= 3 else 0.0
            divisor = max(deviation, noise, 1e-4)
            if max(means) <= noise:
                weight = 0.0
        else:
            divisor = max(statistics.pstdev(means), TASKS[section.task].resolution)
        scales[task] = statistics.fmean(means), divisor, noise, weight
    if before is not None:
        return {task: (*each[:3], before[task][3]) for task, each in scales.items()}
    if not any(each[3] for each in scales.values()):
        asked = {campaign.task_name(i): s.weight for i, s in enumerate(campaign.tasks)}
        return {task: (*each[:3], asked[task]) for task, each in scales.items()}
    return scales


def pooled(groups: list[list[float]]) -> float | None:
    """Standard deviation within groups."""
    if all(len(group) == 1 for group in groups):
        return None
    squares = sum((score - statistics.fmean(group)) ** 2 for group in groups for score in group)
    return math.sqrt(squares / sum(len(group) - 1 for group in groups))


def quality(ledger: Ledger, proxy: str, rung: int) -> float | None:
    """Weighted mean over tasks of `(score - reference mean) / divisor`."""
    scores, scales = scores_of(ledger, proxy, rung), scale(ledger, rung)
    if scores is None or scales is None or not any(each[3] for each in scales.values()):
        return None
    total = sum(
        scales[task][3] * (score - scales[task][0]) / scales[task][1] for task, score in scores.items()
    )
    return total / sum(each[3] for each in scales.values())


def quality_error(ledger: Ledger, proxy: str, rung: int) -> float | None:
    """Standard error of that quality."""
    known, scales = replicates(ledger, proxy, rung), scale(ledger, rung)
    if known is None or scales is None or not any(each[3] for each in scales.values()):
        return None
    variance = 0.0
    for task, (_, divisor, noise, weight) in scales.items():
        if weight and noise is None:
            return None
        variance += (weight * (noise or 0.0) / divisor) ** 2 / len(known[task])
    return math.sqrt(variance) / sum(each[3] for each in scales.values())


def breaks(record: CandidateRecord, objectives: tuple[Objective, ...]) -> bool:
    """Whether a bound rejects a candidate, or would."""
    costs = [(o, record.costs[o.name].value) for o in objectives if o.name in record.costs]
    above = any(o.at_most is not None and value > o.at_most for o, value in costs)
    below = any(o.at_least is not None and value < o.at_least for o, value in costs)
    return record.rejected is not None or above or below


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
        if not breaks(record, objectives) and (each := values(ledger, record, last, objectives)) is not None
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
        twins = (
            record
            for record in ledger.candidates.values()
            if record.proxy == proxy and not breaks(record, objectives)
        )
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
