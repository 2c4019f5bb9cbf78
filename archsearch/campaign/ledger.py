"""What has happened in a campaign: a fold over the events of its journal.

A live run and one that is read back go through the same `apply`, so resuming is running again with memory.
"""

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
from proxies.trial import TrialResult


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
class Durations:
    """How many things took how long together."""

    count: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Mean duration in seconds, of at least one."""
        return self.seconds / self.count

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.count += 1
        self.seconds += seconds


@dataclass
class Ledger:
    """Memory of a run."""

    campaign: Campaign
    candidates: dict[str, CandidateRecord] = field(default_factory=dict)
    """Candidates by fingerprint."""
    arrivals: list[str] = field(default_factory=list)
    """Fingerprints in the order of their events."""
    trials: dict[str, TrialRecord] = field(default_factory=dict)
    """Trials by key."""
    failures: dict[tuple[str, int], str] = field(default_factory=dict)
    """Cause of a failed job, by proxy fingerprint and rung."""
    asked: dict[tuple[str, int], tuple[str, ...]] = field(default_factory=dict)
    """Keys of the trials of a proxy at a rung."""
    completions: list[tuple[str, int]] = field(default_factory=list)
    """Proxy and rung in the order in which they were done."""
    jobs: Durations = field(default_factory=Durations)
    """All jobs, failed ones included."""
    jobs_by_rung: dict[int, Durations] = field(default_factory=lambda: defaultdict(Durations))
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
    revision: int = 0
    """How often failures were taken back."""
    finalists: FinalistsChosen | None = None
    measured: dict[str, dict[str, Summary]] = field(default_factory=lambda: defaultdict(dict))
    """Figures by candidate and objective."""
    measured_failures: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Causes by candidate and objective."""
    measurement_seconds: list[float] = field(default_factory=list)
    """Duration of each measurement, failed ones included."""
    measurements_failed: int = 0
    _measuring: bool = field(default=False, init=False)
    _references: dict[str, str] = field(default_factory=dict, init=False)
    """Fingerprint of each reference by its name."""

    def apply(self, event: Event) -> None:
        """Take in one event; unknown kinds only prove presence."""
        match event:
            case SessionBegan():
                self._measuring = False
                self.sessions.append(Presence(event.began, event.at, event.workers, event.at))
                self.last_session, self.reference_point = event, event.reference_point
                self.finished = False
                if event.retries:
                    self._forget_failures()
                return
            case CandidateRecord():
                self._apply_candidate(event)
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

    def _forget_failures(self) -> None:
        for place in self.failures:
            del self.asked[place]
        self.completions = [place for place in self.completions if place not in self.failures]
        self.failures.clear()
        self.revision += 1

    def _apply_candidate(self, record: CandidateRecord) -> None:
        self.candidates[record.fingerprint] = record
        self.arrivals.append(record.fingerprint)
        if record.origin == "reference":
            self._references[record.name] = record.fingerprint

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
        self.jobs.add(event.seconds)
        self.jobs_by_rung[event.rung].add(event.seconds)
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

    @property
    def training(self) -> int | None:
        """Version of the training code that the run was begun with; None where nothing tells.

        Journals of old name it with their trials, and the oldest not at all.
        """
        if self.last_session is not None and self.last_session.training is not None:
            return self.last_session.training
        for trial in self.trials.values():
            return int(trial.result.versions.get("training", 1))
        return 1 if self.sessions else None

    def references(self) -> list[CandidateRecord]:
        """The reference candidates, in the campaign's order."""
        return [
            self.candidates[self._references[name]]
            for name in self.campaign.references
            if name in self._references
        ]

    def wall_seconds(self) -> float:
        """Wall time of all sessions."""
        return sum(each.last_sign - each.began for each in self.sessions)

    def worker_seconds(self) -> float:
        """Wall time of all workers of all sessions."""
        return sum((each.last_sign_of_workers - each.began) * each.workers for each in self.sessions)
