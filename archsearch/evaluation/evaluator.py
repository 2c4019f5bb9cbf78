"""From candidates to scores: which trials a candidate needs, and running those never run before."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsearch.campaign.events import CandidateRecord, JobRecord, JobRetried, TrialDone
from archsearch.campaign.file import Campaign
from archsearch.campaign.journal import Journal
from archsearch.campaign.ledger import TrialRecord
from archsearch.campaign.standing import Standing
from archsearch.evaluation.job import FUNCTION
from archsearch.executors import Executor, Job, Outcome
from genomes import Architecture
from proxies.trial import TRAINING_VERSION, TrialResult, derive_seed

CHECKPOINT = "checkpoint"
FULL_DISK = os.strerror(errno.ENOSPC)
COMPILATION_CACHE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Plan:
    """A trial that a candidate needs."""

    key: str
    """Identity: proxy, configuration, data, seed, version of the training code, threads, platform."""
    id: str
    """`TASK-STEPS-LR-SEED`, the name of its directory."""
    task: str
    replicate: int
    config: dict[str, Any]
    seed: int
    data_hash: str
    directory: str
    """Where its files lie in the run directory."""
    resume_from: str | None
    """Directory of the shorter trial that it continues, in the run directory."""


@dataclass(frozen=True)
class _InFlight:
    """A job that the executor has."""

    record: CandidateRecord
    rung: int
    plans: list[Plan]
    """All trials of the rung."""
    missing: list[Plan]
    """Trials that the job runs: the others are known."""
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
        self._in_flight: dict[str, _InFlight] = {}
        self._retried: set[str] = set()
        self._configs: dict[tuple[int, int, float], dict[str, Any]] = {}
        self._data_hashes = [
            campaign.trial_config(i, 0, campaign.budget.learning_rates[0]).make_task().data_hash
            for i in range(len(campaign.tasks))
        ]

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
        plans = self.plans(record, rung)
        missing = [plan for plan in plans if plan.key not in self.ledger.trials]
        self.cached += len(plans) - len(missing)
        payload = {
            "architecture": self.proxies[record.proxy].to_dict(),
            "compilation_cache": self.compilation_cache and str(self.compilation_cache),
            "compilation_cache_bytes": COMPILATION_CACHE_BYTES,
            "trials": [
                {
                    "config": plan.config,
                    "seed": plan.seed,
                    "data_hash": plan.data_hash,
                    "directory": str((self.directory / plan.directory).absolute()),
                    "resume_from": plan.resume_from and str((self.directory / plan.resume_from).absolute()),
                }
                for plan in missing
            ],
        }
        job = Job(job_key, FUNCTION, payload)
        self._in_flight[job_key] = _InFlight(record, rung, plans, missing, job)
        self.executor.submit(job)

    def finish(self, then: Callable[[CandidateRecord, int], None] | None = None) -> None:
        """Wait for all that was requested; `then` sees each job as it is done and may request more."""
        while self._in_flight:
            outcome = self.executor.next(timeout=1.0)
            self._stop_where_disk_is_full(outcome)
            if outcome is not None and not self._retry(outcome):
                record, rung = self._record(outcome)
                if then is not None:
                    then(record, rung)
            self.on_outcome()

    def _stop_where_disk_is_full(self, outcome: Outcome | None) -> None:
        """A worker without room to write says nothing of its candidate: not recorded, so a resume retries."""
        if outcome is None or outcome.failure is None:
            return
        if FULL_DISK in outcome.failure.message + outcome.failure.detail:
            raise OSError(errno.ENOSPC, FULL_DISK, str(self.directory))

    def plans(self, record: CandidateRecord, rung: int) -> list[Plan]:
        """The trials of a candidate at a rung: each learning rate at the first, then only the best."""
        before = (self.standing.chosen(record.proxy, rung - 1) if rung else None) or {}
        plans = []
        for index in range(len(self.campaign.tasks)):
            task = self.campaign.task_name(index)
            for replicate in range(self.campaign.budget.seeds):
                shorter = before.get((task, replicate))
                rates = self.campaign.budget.learning_rates
                if shorter is not None:
                    rates = [shorter.result.learning_rate]
                plans += [self._plan(record, rung, index, replicate, rate, shorter) for rate in rates]
        return plans

    def _plan(
        self,
        record: CandidateRecord,
        rung: int,
        index: int,
        replicate: int,
        rate: float,
        shorter: TrialRecord | None,
    ) -> Plan:
        budget = self.campaign.budget
        config = self._config(index, rung, rate)
        # Candidates that differ only in what they are stored in are trained alike, then scored as stored.
        trained = self.proxies[record.proxy].bare.fingerprint
        seed = derive_seed(self.campaign.seed, trained, replicate)
        identity = [record.proxy, config, self._data_hashes[index], seed, TRAINING_VERSION]
        identity += [budget.threads, budget.platform]
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        task = self.campaign.task_name(index)
        trial_id = f"{task}-{budget.rungs[rung]}-{rate:g}-{seed}"
        return Plan(
            key=key,
            id=trial_id,
            task=task,
            replicate=replicate,
            config=config,
            seed=seed,
            data_hash=self._data_hashes[index],
            directory=f"candidates/{record.fingerprint}/trials/{trial_id}",
            resume_from=shorter.directory if shorter is not None else None,
        )

    def _config(self, index: int, rung: int, rate: float) -> dict[str, Any]:
        """The configuration of a trial as plain JSON; candidates have it in common."""
        key = (index, rung, rate)
        if key not in self._configs:
            self._configs[key] = self.campaign.trial_config(index, rung, rate).model_dump(mode="json")
        return self._configs[key]

    def _retry(self, outcome: Outcome) -> bool:
        """Once more where a worker died under a job: it may have died of something else."""
        if outcome.failure is None or outcome.failure.kind != "crashed" or outcome.key in self._retried:
            return False
        self._retried.add(outcome.key)
        self.journal.write(JobRetried(job=outcome.key, failure=outcome.failure))
        self.executor.submit(self._in_flight[outcome.key].job)
        return True

    def _record(self, outcome: Outcome) -> tuple[CandidateRecord, int]:
        job = self._in_flight.pop(outcome.key)
        record, rung, plans, missing = job.record, job.rung, job.plans, job.missing
        results = outcome.result["results"] if outcome.result is not None else []
        event = JobRecord(
            candidate=record.fingerprint,
            proxy=record.proxy,
            rung=rung,
            worker=outcome.worker,
            seconds=round(outcome.seconds, 3),
            startup_seconds=round(outcome.startup_seconds, 3),
            failure=outcome.failure,
            asked=tuple(plan.key for plan in plans),
            trials=tuple(
                TrialDone(
                    key=plan.key,
                    id=plan.id,
                    task=plan.task,
                    replicate=plan.replicate,
                    directory=plan.directory,
                    result=TrialResult.from_dict(result),
                )
                for plan, result in zip(missing, results, strict=False)
            ),
        )
        self.journal.write(event)
        self.ledger.apply(event)
        self._drop_checkpoints(record.proxy, rung)
        return record, rung

    def _drop_checkpoints(self, proxy: str, rung: int) -> None:
        """Keep only what a next rung or an export can need: the chosen trial of the last rung done."""
        chosen = self.standing.chosen(proxy, rung)
        if chosen is None or self.standing.failure(proxy, rung) is not None:
            return
        keep = {trial.key for trial in chosen.values()}
        done: Iterable[str] = self.ledger.asked[proxy, rung]
        if rung:
            done = [*done, *self.ledger.asked[proxy, rung - 1]]
        for key in done:
            if key not in keep:
                trial = self.ledger.trials[key]
                shutil.rmtree(self.directory / trial.directory / CHECKPOINT, ignore_errors=True)
