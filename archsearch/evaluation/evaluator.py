"""From candidates to scores: running those trials of a candidate that were never run before."""

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsearch.campaign.choices import asked, close_ones
from archsearch.campaign.events import CandidateRecord, JobRecord, JobRetried, TrialDone
from archsearch.campaign.file import Campaign
from archsearch.campaign.journal import Journal
from archsearch.campaign.standing import Standing
from archsearch.evaluation.job import FUNCTION
from archsearch.evaluation.plans import Plan, Planner, TaskPlan
from archsearch.executors import Executor, Job, Outcome
from genomes import Architecture
from proxies.trial import TrialResult

CHECKPOINT = "checkpoint"
FULL_DISK = os.strerror(errno.ENOSPC)
KILLED = ("crashed", "out_of_memory")
"""Failures that may come of what else the machine was doing."""
COMPILATION_CACHE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class _InFlight:
    """A job that the executor has."""

    record: CandidateRecord
    rung: int
    plans: dict[str, Plan]
    """All trials that the job may run, by key."""
    job: Job


class Evaluator:
    """Runs what is asked on an executor and writes what comes back into journal and ledger."""

    def __init__(
        self,
        campaign: Campaign,
        directory: Path,
        standing: Standing,
        journal: Journal,
        executor: Executor,
        compilation_cache: Path | None,
        on_outcome: Callable[[], None],
    ) -> None:
        self.campaign, self.directory = campaign, directory
        self.standing, self.ledger = standing, standing.ledger
        self.journal, self.executor = journal, executor
        self.compilation_cache = compilation_cache
        self.on_outcome = on_outcome
        self.proxies: dict[str, Architecture] = {}
        self.cached = 0
        self.planner = Planner(standing.ledger)
        self._in_flight: dict[str, _InFlight] = {}
        self._retried: set[str] = set()
        self._later: list[Job] = []

    @property
    def in_flight(self) -> int:
        """Jobs handed to the executor and not yet back."""
        return len(self._in_flight)

    def request(self, record: CandidateRecord, rung: int) -> None:
        """Ask for a candidate's scores at a rung; what is known or already asked for is not run again."""
        place, job_key = (record.proxy, rung), f"{record.proxy}/{rung}"
        if job_key in self._in_flight or place in self.ledger.failures:
            return
        if place in self.ledger.asked:
            self.cached += len(self.ledger.asked[place])
            return
        tasks = self.plans(record, rung)
        payload = {
            "architecture": self.proxies[record.proxy].to_dict(),
            "compilation_cache": self.compilation_cache and str(self.compilation_cache),
            "compilation_cache_bytes": COMPILATION_CACHE_BYTES,
            "tasks": [
                {
                    "counts": task.counts,
                    "stages": [self._trials(stage) for stage in task.stages],
                    "replicates": [self._trials(replicate) for replicate in task.replicates],
                }
                for task in tasks
            ],
        }
        job = Job(job_key, FUNCTION, payload)
        plans = {plan.key: plan for task in tasks for plan in task}
        self._in_flight[job_key] = _InFlight(record, rung, plans, job)
        self.executor.submit(job)

    def finish(self, then: Callable[[CandidateRecord, int], None] | None = None) -> None:
        """Wait for all that was requested; `then` sees each job as it is done and may request more."""
        while self._in_flight:
            if self._later and len(self._in_flight) == len(self._later):
                self.executor.submit(self._later.pop(0))  # alone: nothing else of ours takes memory
            outcome = self.executor.next(timeout=1.0)
            self._stop_for_the_machine(outcome)
            if outcome is not None and not self._retry(outcome):
                record, rung = self._record(outcome)
                if then is not None:
                    then(record, rung)
            self.on_outcome()

    def _stop_for_the_machine(self, outcome: Outcome | None) -> None:
        """What a worker lacks says nothing of its candidate: not recorded, so a resume tries again."""
        if outcome is None or outcome.failure is None:
            return
        if FULL_DISK in outcome.failure.message + outcome.failure.detail:
            raise OSError(errno.ENOSPC, FULL_DISK, str(self.directory))
        if outcome.failure.kind == "machine":
            raise RuntimeError(
                f"worker {outcome.worker}: {outcome.failure.message}; nothing is counted against a "
                f"candidate: mend it, then archsearch resume {shlex.quote(str(self.directory))}"
            )

    def plans(self, record: CandidateRecord, rung: int) -> list[TaskPlan]:
        """What a candidate may train at a rung, task by task.

        Candidates that differ only in what they are stored in are trained alike, then scored as stored.
        """
        return self.planner.plan(record, self.proxies[record.proxy].bare.fingerprint, rung)

    def _trials(self, plans: Iterable[Plan]) -> list[dict[str, Any]]:
        """Plans as a worker reads them (`archsearch.evaluation.job.Trial`)."""
        return [
            {
                "key": plan.key,
                "config": plan.config,
                "seed": plan.seed,
                "data_hash": plan.data_hash,
                "directory": str((self.directory / plan.directory).absolute()),
                "resume_from": plan.resume_from and str((self.directory / plan.resume_from).absolute()),
                "known": known.result.to_dict() if (known := self.ledger.trials.get(plan.key)) else None,
            }
            for plan in plans
        ]

    def _retry(self, outcome: Outcome) -> bool:
        """Once more, later, where a worker died under a job: it may have died of something else."""
        failure = outcome.failure
        if failure is None or failure.kind not in KILLED or outcome.key in self._retried:
            return False
        self._retried.add(outcome.key)
        self.journal.write(JobRetried(job=outcome.key, failure=failure))
        self._later.append(self._in_flight[outcome.key].job)
        return True

    def _record(self, outcome: Outcome) -> tuple[CandidateRecord, int]:
        job = self._in_flight.pop(outcome.key)
        record, rung = job.record, job.rung
        answer = outcome.result if outcome.result is not None else {"asked": [], "results": {}}
        self.cached += len(answer["asked"]) - len(answer["results"])
        event = JobRecord(
            candidate=record.fingerprint,
            proxy=record.proxy,
            rung=rung,
            worker=outcome.worker,
            seconds=round(outcome.seconds, 3),
            startup_seconds=round(outcome.startup_seconds, 3),
            failure=outcome.failure,
            asked=tuple(answer["asked"]),
            trials=tuple(
                TrialDone(
                    key=key,
                    id=job.plans[key].id,
                    task=job.plans[key].task,
                    replicate=job.plans[key].replicate,
                    directory=job.plans[key].directory,
                    result=TrialResult.from_dict(result),
                )
                for key, result in answer["results"].items()
            ),
        )
        self.journal.write(event)
        self.ledger.apply(event)
        self._drop_checkpoints(record.proxy, rung)
        return record, rung

    def _drop_checkpoints(self, proxy: str, rung: int) -> None:
        """Keep only what a next rung or an export can need, of the last rung done.

        A next rung continues the rates that are close, an export takes the chosen trials of the last rung.
        Nothing continues the final training.
        """
        chosen = self.standing.chosen(proxy, rung)
        if chosen is None or self.standing.failure(proxy, rung) is not None:
            return
        keep = {trial.key for trial in chosen.values()}
        last = self.campaign.budget.final_rung - 1
        if rung < last:
            keep |= {
                trial.key for group in asked(self.ledger, proxy, rung).values() for trial in close_ones(group)
            }
        done = [*self.ledger.asked[proxy, rung]]
        if rung > last:
            keep = set()
        elif rung:
            done += self.ledger.asked[proxy, rung - 1]
        for key in done:
            if key not in keep:
                trial = self.ledger.trials[key]
                shutil.rmtree(self.directory / trial.directory / CHECKPOINT, ignore_errors=True)
