"""From a ledger to results: quality, the front and its hypervolume."""

from collections.abc import Mapping, Sequence
from typing import Any

import moocore
import numpy as np

from archsearch.campaign.dominance import nondominated, ranks
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.results import Candidate, HypervolumePoint, Results, Status, Trial
from hardware_profiles import Estimate
from proxies.tasks import TASKS
from proxies.trial import PHASES

QUALITY_FLOOR = -5.0
"""Quality of the reference point: five reference deviations below the references' mean."""


def resolutions(ledger: Ledger) -> dict[str, float]:
    """Resolution of each task's metric, by the task's name in the campaign."""
    campaign = ledger.campaign
    return {campaign.task_name(i): TASKS[s.task].resolution for i, s in enumerate(campaign.tasks)}


def reference_point(
    objectives: tuple[Objective, ...], references: Sequence[Mapping[str, Estimate]]
) -> dict[str, float]:
    """The corner that the hypervolume is measured from, fixed before anything is trained.

    Quality: `QUALITY_FLOOR`. A cost: its bound, else twice the worst reference's (half, where more is
    better).
    """
    point = {}
    for o in objectives:
        values = [costs[o.name].value for costs in references if o.name in costs]
        if o.name == QUALITY:
            point[o.name] = QUALITY_FLOOR
        elif o.direction == "min":
            point[o.name] = o.at_most if o.at_most is not None else 2 * max(values)
        else:
            point[o.name] = o.at_least if o.at_least is not None else min(values) / 2
    return point


def hypervolume(
    values: list[tuple[float, ...]], objectives: tuple[Objective, ...], point: tuple[float, ...]
) -> float:
    """Exact hypervolume between the values and the reference point.

    Quality counts in reference deviations, every other axis as a share of the reference point, so that
    units do not matter.
    """
    if not values:
        return 0.0
    scales = np.array(
        [1.0 if o.name == QUALITY else abs(p) or 1.0 for o, p in zip(objectives, point, strict=True)]
    )
    signs = np.array([1.0 if o.direction == "min" else -1.0 for o in objectives])
    corner = signs * np.array(point) / scales
    points = signs * np.array(values) / scales
    inside = points[(points < corner).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def objective_values(
    record: CandidateRecord, ledger: Ledger, rung: int, objectives: tuple[Objective, ...]
) -> tuple[float, ...] | None:
    """Values of all objectives with the quality at a rung; None where quality or a price is not known."""
    quality = ledger.quality(record.proxy, rung, resolutions(ledger))
    if quality is None or any(o.name != QUALITY and o.name not in record.costs for o in objectives):
        return None
    return tuple(quality if o.name == QUALITY else record.costs[o.name].value for o in objectives)


def front(ledger: Ledger, objectives: tuple[Objective, ...]) -> list[CandidateRecord]:
    """Non-dominated candidates of the last rung, best quality first."""
    finished = _by_quality(ledger, objectives)
    kept = nondominated([values for _, values in finished], objectives)
    return [record for (record, _), keep in zip(finished, kept, strict=True) if keep]


def ranked(ledger: Ledger, objectives: tuple[Objective, ...]) -> list[CandidateRecord]:
    """All candidates of the last rung: the front, then what only the front dominates, and so on; best quality
    first in each."""
    finished = _by_quality(ledger, objectives)
    found = ranks([values for _, values in finished], objectives)
    order = sorted(range(len(finished)), key=found.__getitem__)
    return [finished[index][0] for index in order]


def _by_quality(
    ledger: Ledger, objectives: tuple[Objective, ...]
) -> list[tuple[CandidateRecord, tuple[float, ...]]]:
    """Candidates of the last rung with their values, best quality first."""
    last = len(ledger.campaign.budget.rungs) - 1
    finished = [
        (record, values)
        for record in ledger.candidates.values()
        if record.rejected is None
        and (values := objective_values(record, ledger, last, objectives)) is not None
    ]
    quality = [o.name for o in objectives].index(QUALITY)
    return sorted(finished, key=lambda pair: (-pair[1][quality], pair[0].fingerprint))


def history(
    ledger: Ledger, objectives: tuple[Objective, ...], point: tuple[float, ...]
) -> tuple[HypervolumePoint, ...]:
    """Hypervolume of the front after each candidate that reached the last rung."""
    last = len(ledger.campaign.budget.rungs) - 1
    by_proxy: dict[str, list[CandidateRecord]] = {}
    for record in ledger.candidates.values():
        by_proxy.setdefault(record.proxy, []).append(record)
    seen: set[str] = set()
    values: list[tuple[float, ...]] = []
    points = []
    for proxy, rung in ledger.completions:
        seen.add(proxy)
        if rung != last:
            continue
        found = (objective_values(record, ledger, last, objectives) for record in by_proxy.get(proxy, ()))
        values += [v for v in found if v is not None]
        points.append(HypervolumePoint(len(seen), hypervolume(values, objectives, point)))
    return tuple(points)


def candidate(record: CandidateRecord, ledger: Ledger, objectives: tuple[Objective, ...]) -> Candidate:
    """A candidate with what its last finished rung says of it."""
    rungs = range(len(ledger.campaign.budget.rungs))
    rung = ledger.last_rung(record.proxy)
    failures = [cause for r in rungs if (cause := ledger.failure(record.proxy, r)) is not None]
    quality = ledger.quality(record.proxy, rung, resolutions(ledger)) if rung >= 0 else None
    status: Status = "rejected" if record.rejected else "failed" if failures else "evaluated"
    values = {name: cost.value for name, cost in record.costs.items()}
    if quality is not None:
        values[QUALITY] = quality
    signals = (ledger.signals(record.proxy, rung) or {}) if rung >= 0 else {}
    return Candidate(
        id=record.fingerprint[:8],
        fingerprint=record.fingerprint,
        name=record.name or record.fingerprint[:8],
        origin="reference" if record.origin == "reference" else "searched",
        pattern=record.pattern,
        kinds=record.kinds,
        genome=record.genome,
        generation=record.generation,
        status=status,
        cause=record.rejected or next(iter(failures), None),
        rung=rung,
        objectives={o.name: values[o.name] for o in objectives if o.name in values},
        intervals={name: (cost.low, cost.high) for name, cost in record.costs.items()},
        signals={f"score[{task}]": score for task, score in signals.items()},
        parameters=record.parameters,
        weights=record.weights,
        cache=record.cache,
        measured=dict(ledger.measured.get(record.fingerprint, {})),
        measured_failures=dict(ledger.measured_failures.get(record.fingerprint, {})),
    )


def judged(record: CandidateRecord, ledger: Ledger) -> bool:
    """Whether something is known of it: rejected, failed, or a rung finished."""
    rungs = range(len(ledger.campaign.budget.rungs))
    return (
        record.rejected is not None
        or ledger.last_rung(record.proxy) >= 0
        or any(ledger.failure(record.proxy, rung) for rung in rungs)
    )


def worker_time(ledger: Ledger) -> dict[str, float]:
    """Seconds of all workers by phase; `idle` is what no job and no start-up accounts for."""
    seconds = dict.fromkeys(PHASES, 0.0)
    for trial in ledger.trials.values():
        for phase, spent in trial.result.seconds.items():
            seconds[phase] += spent
    jobs = sum(spent for _, spent in ledger.job_seconds)
    seconds["other"] += max(0.0, jobs - sum(seconds.values()))
    seconds["start-up"] = ledger.startup_seconds
    seconds["idle"] = max(0.0, ledger.worker_seconds() - sum(seconds.values()))
    return seconds


def results(
    ledger: Ledger,
    objectives: tuple[Objective, ...],
    environment: dict[str, Any],
    devices: dict[str, dict[str, Any]],
) -> Results:
    """Everything a run has to show, from its ledger."""
    campaign = ledger.campaign
    point = None
    if ledger.reference_point is not None:
        point = tuple(ledger.reference_point[o.name] for o in objectives)
    known = [candidate(r, ledger, objectives) for r in ledger.candidates.values() if judged(r, ledger)]
    chosen = {
        trial.key for proxy, rung in ledger.asked for trial in (ledger.chosen(proxy, rung) or {}).values()
    }
    trials = tuple(
        Trial(
            id=t.id,
            candidate=t.candidate[:8],
            task=t.task,
            rung=t.rung,
            steps=t.result.steps,
            learning_rate=t.result.learning_rate,
            seed=t.result.seed,
            status=t.result.status,
            chosen=t.key in chosen,
            result=t.result,
        )
        for t in ledger.trials.values()
    )
    order = {"reference": 0, "searched": 1}
    return Results(
        name=campaign.name,
        campaign=campaign.model_dump(mode="json"),
        environment=environment,
        objectives=objectives,
        rungs=tuple(campaign.budget.rungs),
        references=tuple(campaign.references),
        candidates=tuple(sorted(known, key=lambda c: order[c.origin])),
        trials=trials,
        front=tuple(record.fingerprint[:8] for record in front(ledger, objectives)),
        reference_point=point,
        history=history(ledger, objectives, point) if point is not None else (),
        worker_time=worker_time(ledger),
        cached=ledger.cached,
        offspring=ledger.offspring,
        seconds=ledger.wall_seconds(),
        finished=ledger.finished,
        devices=devices,
        finalists=tuple(f[:8] for f in ledger.finalists.candidates) if ledger.finalists else (),
        unmeasured=ledger.finalists.unmeasured if ledger.finalists else {},
    )
