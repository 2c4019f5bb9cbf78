"""From where a run stands to what it shows: candidates, trials, the history of the hypervolume."""

from dataclasses import replace
from typing import Any

from archsearch.campaign.choices import edge_choices
from archsearch.campaign.dominance import Archive, ranks
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.hypervolume import hypervolume, reference_corner
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import QUALITY
from archsearch.campaign.results import (
    Candidate,
    HypervolumePoint,
    ReferenceScore,
    Results,
    TaskFacts,
    Trial,
)
from archsearch.campaign.scales import remarks, why_no_weight
from archsearch.campaign.standing import Standing
from proxies.trial import PHASES


def ranked(standing: Standing) -> list[CandidateRecord]:
    """All candidates of the last rung: the front, then what only the front dominates, and so on; best quality
    first in each."""
    values = standing.finished
    order = standing.by_quality(values)
    depths = ranks([values[record.fingerprint] for record in order], standing.objectives)
    return [record for _, record in sorted(zip(depths, order, strict=True), key=lambda pair: pair[0])]


def history(standing: Standing) -> tuple[HypervolumePoint, ...]:
    """Hypervolume of the front after each candidate that reached the last rung."""
    objectives = tuple(replace(o, margin=0.0) for o in standing.objectives)
    point = reference_corner(standing.ledger, objectives)
    if point is None:
        return ()
    seen: set[str] = set()
    outline, volume = Archive(objectives), 0.0
    points = []
    for proxy, rung in standing.ledger.completions:
        seen.add(proxy)
        if rung != standing.last:
            continue
        grown = [
            outline.add(record.fingerprint, values)
            for record in standing.of_proxy(proxy)
            if (values := standing.finished.get(record.fingerprint)) is not None
        ]
        if any(grown):
            volume = hypervolume(outline.values, objectives, point)
        points.append(HypervolumePoint(len(seen), volume))
    return tuple(points)


def candidate(record: CandidateRecord, standing: Standing) -> Candidate:
    """A candidate with what its last finished rung and its training after the search say of it."""
    ledger, objectives = standing.ledger, standing.objectives
    rung = standing.last_rung(record.proxy)
    quality = standing.quality(record.proxy, rung)
    values = {name: cost.value for name, cost in record.costs.items()}
    if quality is not None:
        values[QUALITY] = quality
    verdict = standing.verdict(record.proxy, rung)
    return Candidate(
        id=record.fingerprint[:8],
        fingerprint=record.fingerprint,
        name=record.name or record.fingerprint[:8],
        origin="reference" if record.origin == "reference" else "searched",
        pattern=record.pattern,
        kinds=record.kinds,
        genome=record.genome,
        generation=record.generation,
        status=standing.status(record) or "evaluated",
        cause=record.rejected or next(iter(standing.failures(record.proxy)), None),
        rung=rung,
        objectives={o.name: values[o.name] for o in objectives if o.name in values},
        intervals={name: (cost.low, cost.high) for name, cost in record.costs.items()},
        signals={f"score[{task}]": score for task, score in (verdict.scores or {}).items()},
        parameters=record.parameters,
        weights=record.weights,
        cache=record.cache,
        measured=dict(ledger.measured.get(record.fingerprint, {})),
        measured_failures=dict(ledger.measured_failures.get(record.fingerprint, {})),
        quality_error=None if quality is None else standing.quality_error(record.proxy, rung),
        replicates=verdict.counts,
        accuracies=verdict.accuracies,
        breaks=None if record.rejected is not None else standing.breaks(record),
        final=standing.final(record.proxy),
    )


def task_facts(standing: Standing) -> tuple[TaskFacts, ...]:
    """What each task is worth at the last rung, in the campaign's order; empty before the references are
    done."""
    scale = standing.scale(standing.last)
    if scale is None:
        return ()
    shares, edges = standing.shares, edge_choices(standing.ledger)
    choice = len(standing.ledger.campaign.budget.learning_rates) > 1
    verdicts = {r.name: standing.verdict(r.proxy, standing.last) for r in standing.ledger.references()}
    return tuple(
        TaskFacts(
            task=task,
            asked_weight=weight,
            weight=scale.weights[task],
            remark="" if scale.tasks[task].mastered else why_no_weight(scale.tasks[task]),
            share=shares.get(task),
            scale=scale.tasks[task],
            references={
                name: ReferenceScore(verdict.scores[task], verdict.accuracies.get(task))
                for name, verdict in verdicts.items()
                if verdict.scores is not None
            },
            lowest_rates=edges[task].lower,
            highest_rates=edges[task].upper,
            rates=edges[task].candidates if choice else 0,
        )
        for task, weight in standing.weights.items()
    )


def worker_time(ledger: Ledger) -> dict[str, float]:
    """Seconds of all workers by phase; `idle` is what no job and no start-up accounts for."""
    seconds = dict.fromkeys(PHASES, 0.0)
    for trial in ledger.trials.values():
        for phase, spent in trial.result.seconds.items():
            seconds[phase if phase in PHASES else "other"] += spent
    seconds["other"] += max(0.0, ledger.jobs.seconds - sum(seconds.values()))
    seconds["start-up"] = ledger.startup_seconds
    seconds["idle"] = max(0.0, ledger.worker_seconds() - sum(seconds.values()))
    return seconds


def results(standing: Standing, environment: dict[str, Any], devices: dict[str, dict[str, Any]]) -> Results:
    """Everything a run has to show, from where it stands."""
    ledger = standing.ledger
    campaign = ledger.campaign
    known = [candidate(r, standing) for r in ledger.candidates.values() if standing.status(r) is not None]
    chosen = {
        trial.key for proxy, rung in ledger.asked for trial in (standing.chosen(proxy, rung) or {}).values()
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
        objectives=standing.objectives,
        rungs=tuple(campaign.budget.rungs),
        references=tuple(campaign.references),
        candidates=tuple(sorted(known, key=lambda c: order[c.origin])),
        trials=trials,
        front=tuple(record.fingerprint[:8] for record in standing.front),
        reference_point=reference_corner(ledger, standing.objectives),
        history=history(standing),
        worker_time=worker_time(ledger),
        cached=ledger.cached,
        offspring=ledger.offspring,
        seconds=ledger.wall_seconds(),
        finished=ledger.finished,
        devices=devices,
        finalists=tuple(f[:8] for f in ledger.finalists.candidates) if ledger.finalists else (),
        unmeasured=ledger.finalists.unmeasured if ledger.finalists else {},
        scales=standing.scales,
        tasks=task_facts(standing),
        remarks=(
            *remarks(standing.scales, campaign.budget.rungs),
            *(ledger.last_session.data_notes if ledger.last_session else ()),
        ),
        deeper_references=tuple(campaign.deeper_references()),
    )
