"""What has happened in a campaign: a fold over the events of its journal.

A live run and one that is read back go through the same `apply`, so resuming is running again with memory.
"""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from archsearch.campaign.file import Campaign
from archsearch.campaign.journal import Event
from archsearch.campaign.results import Offspring, Summary
from proxies.trial import best_index

MEASURING = ("finalists", "measured")
"""Events of the time after the search, when the workers are gone."""

Signals = dict[str, float]


@dataclass(frozen=True)
class CandidateRecord:
    """A candidate as its event says it."""

    fingerprint: str
    proxy: str
    name: str
    origin: str
    genome: str | None
    pattern: str
    kinds: tuple[str, ...]
    generation: int
    costs: dict[str, dict[str, float]]
    parameters: dict[str, int]
    rejected: str | None
    weights: str | None = None
    cache: str | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One trial: who asked for it, where its files lie in the run directory, what it gave."""

    key: str
    id: str
    candidate: str
    task: str
    rung: int
    replicate: int
    directory: str
    result: dict[str, Any]


@dataclass(frozen=True)
class Finalists:
    """What is measured after the search."""

    candidates: tuple[str, ...]
    """Fingerprints, best first."""
    measurements: int
    """Of all candidates on all devices."""
    unmeasured: dict[str, str]
    """Why not, by objective."""


@dataclass
class Ledger:
    """Memory of a run."""

    campaign: Campaign
    candidates: dict[str, CandidateRecord] = field(default_factory=dict)
    trials: dict[str, TrialRecord] = field(default_factory=dict)
    failures: dict[tuple[str, int], str] = field(default_factory=dict)
    """Cause of a failed job, by proxy fingerprint and rung."""
    asked: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    """Keys of the trials of a proxy at a rung."""
    completions: list[tuple[str, int]] = field(default_factory=list)
    """Proxy and rung in the order in which they were done."""
    job_seconds: list[tuple[int, float]] = field(default_factory=list)
    """Rung and duration of each job."""
    startup_seconds: float = 0.0
    offspring: Offspring = field(default_factory=Offspring)
    cached: int = 0
    sessions: list[list[float]] = field(default_factory=list)
    """Begin and last sign of each session, its number of workers, and the last sign while it had them."""
    reference_point: dict[str, float] | None = None
    finished: bool = False
    finalists: Finalists | None = None
    measured: dict[str, dict[str, Summary]] = field(default_factory=lambda: defaultdict(dict))
    """Figures by candidate and objective."""
    measured_failures: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Causes by candidate and objective."""
    measurement_seconds: list[float] = field(default_factory=list)
    """Duration of each measurement, failed ones included."""
    measurements_failed: int = 0
    _measuring: bool = field(default=False, init=False)

    def apply(self, event: Event) -> None:
        """Take in one event; unknown kinds are left alone."""
        self._measuring = event["event"] != "run" and (self._measuring or event["event"] in MEASURING)
        if self.sessions and event["event"] != "run":
            session = self.sessions[-1]
            session[1] = max(session[1], event["at"])
            session[3] = session[3] if self._measuring else session[1]
        match event["event"]:
            case "run":
                self.sessions.append([event["began"], event["at"], float(event["workers"]), event["at"]])
                self.reference_point = event["reference_point"]
            case "candidate":
                fields = {k: v for k, v in event.items() if k not in ("event", "at")}
                record = CandidateRecord(**fields | {"kinds": tuple(fields["kinds"])})
                self.candidates[record.fingerprint] = record
            case "job":
                self._apply_job(event)
            case "generation":
                self.offspring = _offspring(event)
                self.cached = event["cached"]
            case "finalists":
                self.finalists = Finalists(
                    tuple(event["candidates"]), event["measurements"], event["unmeasured"]
                )
            case "measured":
                self._apply_measured(event)
            case "finished":
                self.finished = True

    def _apply_measured(self, event: Event) -> None:
        self.measurement_seconds.append(event["seconds"])
        self.measurements_failed += event["failure"] is not None
        trust = {key: event[key] for key in ("repeat_spread", "stable", "disturbed")}
        for name in event["objectives"]:
            if event["failure"] is not None:
                self.measured_failures[event["candidate"]][name] = event["failure"]
            else:
                figure = event["figures"][name.partition("[")[0]]
                self.measured[event["candidate"]][name] = Summary(**figure, **trust)

    def _apply_job(self, event: Event) -> None:
        place = (event["proxy"], event["rung"])
        self.startup_seconds += event["startup_seconds"]
        self.job_seconds.append((event["rung"], event["seconds"]))
        for fields in event["trials"]:
            record = TrialRecord(candidate=event["candidate"], rung=event["rung"], **fields)
            self.trials[record.key] = record
        self.asked[place] = event["asked"]
        if event["failure"] is not None:
            self.failures[place] = f"{event['failure']['kind']}: {event['failure']['message']}"
        self.completions.append(place)

    def chosen(self, proxy: str, rung: int) -> dict[tuple[str, int], TrialRecord] | None:
        """The trial with the best learning rate for each (task, replicate); None before all are done."""
        keys = self.asked.get((proxy, rung))
        if keys is None or (proxy, rung) in self.failures or any(key not in self.trials for key in keys):
            return None
        groups: dict[tuple[str, int], list[TrialRecord]] = defaultdict(list)
        for key in keys:
            record = self.trials[key]
            groups[record.task, record.replicate].append(record)
        return {
            place: group[best_index([r.result["validation_loss"] for r in group])]
            for place, group in groups.items()
        }

    def failure(self, proxy: str, rung: int) -> str | None:
        """Why a proxy failed at a rung, or None: its job, or every learning rate of some task."""
        if cause := self.failures.get((proxy, rung)):
            return cause
        for (task, _), record in (self.chosen(proxy, rung) or {}).items():
            if record.result["status"] != "ok":
                return f"{task}: {record.result['cause']}"
        return None

    def signals(self, proxy: str, rung: int) -> Signals | None:
        """Score of each task at a rung, the mean over replicates; None where not (yet) known."""
        chosen = self.chosen(proxy, rung)
        if chosen is None or self.failure(proxy, rung) is not None:
            return None
        scores: dict[str, list[float]] = defaultdict(list)
        for (task, _), record in chosen.items():
            scores[task].append(record.result["score"])
        return {task: statistics.fmean(values) for task, values in scores.items()}

    def references(self) -> list[CandidateRecord]:
        """The reference candidates, in the campaign's order."""
        found = {record.name: record for record in self.candidates.values() if record.origin == "reference"}
        return [found[name] for name in self.campaign.references if name in found]

    def scale(self, rung: int, resolutions: dict[str, float]) -> dict[str, tuple[float, float]] | None:
        """Mean and divisor of each task's score over the references at a rung.

        The divisor is the (population) standard deviation, at least the resolution of the metric. None
        until every reference is done with the rung; a failed one is left out.
        """
        collected: dict[str, list[float]] = defaultdict(list)
        references = self.references()
        if len(references) < len(self.campaign.references):
            return None
        for record in references:
            signals = self.signals(record.proxy, rung)
            if signals is None:
                if any(self.failure(record.proxy, r) for r in range(rung + 1)):
                    continue
                return None
            for task, score in signals.items():
                collected[task].append(score)
        return {
            task: (statistics.fmean(scores), max(statistics.pstdev(scores), resolutions[task]))
            for task, scores in collected.items()
        } or None

    def quality(self, proxy: str, rung: int, resolutions: dict[str, float]) -> float | None:
        """Weighted mean over tasks of `(score - reference mean) / divisor`; None where not known."""
        signals, scale = self.signals(proxy, rung), self.scale(rung, resolutions)
        if signals is None or scale is None:
            return None
        weights = {self.campaign.task_name(i): s.weight for i, s in enumerate(self.campaign.tasks)}
        total = sum(
            weights[task] * (score - scale[task][0]) / scale[task][1] for task, score in signals.items()
        )
        return total / sum(weights.values())

    def last_rung(self, proxy: str) -> int:
        """The last rung finished without failure; -1 where none was."""
        rungs = range(len(self.campaign.budget.rungs))
        return max((rung for rung in rungs if self.signals(proxy, rung) is not None), default=-1)

    def wall_seconds(self) -> float:
        """Wall time of all sessions."""
        return sum(last - first for first, last, *_ in self.sessions)

    def worker_seconds(self) -> float:
        """Wall time of all workers of all sessions."""
        return sum((last - first) * workers for first, _, workers, last in self.sessions)


def _offspring(event: Event) -> Offspring:
    """Of a `generation` event; older ones hold only the number of genes redrawn."""
    if "offspring" in event:
        return Offspring(**event["offspring"])
    return Offspring(redrawn={"unknown": event["redrawn"]} if event["redrawn"] else {})
