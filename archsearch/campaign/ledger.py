"""What has happened in a campaign: a fold over the events of its journal.

A live run and one that is read back go through the same `apply`, so resuming is running again with memory.
"""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field, replace

from archsearch.campaign.events import (
    CandidateRecord,
    Event,
    FinalistsChosen,
    GenerationDone,
    JobRecord,
    MeasurementRecord,
    RunFinished,
    SessionBegan,
)
from archsearch.campaign.file import Campaign
from archsearch.campaign.results import Offspring, Summary
from proxies.trial import TrialResult, best_index

Signals = dict[str, float]


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
    result: TrialResult


@dataclass(frozen=True)
class Presence:
    """The time that a process spent on the run, in Unix seconds."""

    began: float
    last_sign: float
    """When it wrote its last event."""
    workers: int
    """Most jobs at a time."""
    last_sign_of_workers: float
    """When it wrote its last event while it had workers: they are gone when finalists are measured."""

    def seen(self, at: float, measuring: bool) -> "Presence":
        """The presence after another event."""
        last = max(self.last_sign, at)
        return replace(
            self, last_sign=last, last_sign_of_workers=self.last_sign_of_workers if measuring else last
        )


@dataclass
class Ledger:
    """Memory of a run."""

    campaign: Campaign
    candidates: dict[str, CandidateRecord] = field(default_factory=dict)
    """Candidates by fingerprint."""
    trials: dict[str, TrialRecord] = field(default_factory=dict)
    """Trials by key."""
    failures: dict[tuple[str, int], str] = field(default_factory=dict)
    """Cause of a failed job, by proxy fingerprint and rung."""
    asked: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    """Keys of the trials of a proxy at a rung."""
    completions: list[tuple[str, int]] = field(default_factory=list)
    """Proxy and rung in the order in which they were done."""
    job_seconds: list[tuple[int, float]] = field(default_factory=list)
    """Rung and duration of each job."""
    startup_seconds: float = 0.0
    offspring: Offspring = field(default_factory=Offspring)
    cached: int = 0
    """Trials asked for again and taken from the record."""
    sessions: list[Presence] = field(default_factory=list)
    """Presence of each process that carried the run on."""
    last_session: SessionBegan | None = None
    reference_point: dict[str, float] | None = None
    """Corner of the hypervolume, by objective."""
    finished: bool = False
    finalists: FinalistsChosen | None = None
    measured: dict[str, dict[str, Summary]] = field(default_factory=lambda: defaultdict(dict))
    """Figures by candidate and objective."""
    measured_failures: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Causes by candidate and objective."""
    measurement_seconds: list[float] = field(default_factory=list)
    """Duration of each measurement, failed ones included."""
    measurements_failed: int = 0
    _measuring: bool = field(default=False, init=False)

    def apply(self, event: Event) -> None:
        """Take in one event; unknown kinds only prove presence."""
        match event:
            case SessionBegan():
                self._measuring = False
                self.sessions.append(Presence(event.began, event.at, event.workers, event.at))
                self.last_session, self.reference_point = event, event.reference_point
                return
            case CandidateRecord():
                self.candidates[event.fingerprint] = event
            case JobRecord():
                self._apply_job(event)
            case GenerationDone():
                self.offspring, self.cached = event.offspring, event.cached
            case FinalistsChosen():
                self._measuring, self.finalists = True, event
            case MeasurementRecord():
                self._measuring = True
                self._apply_measurement(event)
            case RunFinished():
                self.finished = True
        if self.sessions:
            self.sessions[-1] = self.sessions[-1].seen(event.at, self._measuring)

    def _apply_measurement(self, event: MeasurementRecord) -> None:
        self.measurement_seconds.append(event.seconds)
        if event.failure is None:
            self.measured[event.candidate] |= event.summaries()
        else:
            self.measurements_failed += 1
            self.measured_failures[event.candidate] |= dict.fromkeys(event.objectives, event.failure)

    def _apply_job(self, event: JobRecord) -> None:
        place = (event.proxy, event.rung)
        self.startup_seconds += event.startup_seconds
        self.job_seconds.append((event.rung, event.seconds))
        for trial in event.trials:
            self.trials[trial.key] = TrialRecord(
                key=trial.key,
                id=trial.id,
                candidate=event.candidate,
                task=trial.task,
                rung=event.rung,
                replicate=trial.replicate,
                directory=trial.directory,
                result=trial.result,
            )
        self.asked[place] = event.asked
        if event.failure is not None:
            self.failures[place] = f"{event.failure.kind}: {event.failure.message}"
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
            place: group[best_index([r.result.validation_loss for r in group])]
            for place, group in groups.items()
        }

    def failure(self, proxy: str, rung: int) -> str | None:
        """Why a proxy failed at a rung, or None: its job, or every learning rate of some task."""
        if cause := self.failures.get((proxy, rung)):
            return cause
        for (task, _), record in (self.chosen(proxy, rung) or {}).items():
            if record.result.status != "ok":
                return f"{task}: {record.result.cause}"
        return None

    def signals(self, proxy: str, rung: int) -> Signals | None:
        """Score of each task at a rung, the mean over replicates; None where not (yet) known."""
        chosen = self.chosen(proxy, rung)
        if chosen is None or self.failure(proxy, rung) is not None:
            return None
        scores: dict[str, list[float]] = defaultdict(list)
        for (task, _), record in chosen.items():
            assert record.result.score is not None  # a trial that is ok has one
            scores[task].append(record.result.score)
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
        return sum(each.last_sign - each.began for each in self.sessions)

    def worker_seconds(self) -> float:
        """Wall time of all workers of all sessions."""
        return sum((each.last_sign_of_workers - each.began) * each.workers for each in self.sessions)
