"""Which trials a candidate may need at a rung, before it is known which rates go on."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archsearch.campaign.choices import asked, best, close_ones
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.ledger import Ledger
from proxies.trial import TRAINING_VERSION, derive_seed


@dataclass(frozen=True)
class Plan:
    """A trial that a candidate may need."""

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
class TaskPlan:
    """What a candidate may train on one task at one rung."""

    counts: tuple[int, ...]
    """How many rates each stage takes."""
    stages: tuple[tuple[Plan, ...], ...]
    """Trials of the first replicate, which chooses the rate: by stage, then by rate."""
    replicates: tuple[tuple[Plan, ...], ...]
    """Trials of each further replicate by rate, of which the one with the chosen rate is trained."""

    def __iter__(self) -> Iterator[Plan]:
        for group in (*self.stages, *self.replicates):
            yield from group


class Planner:
    """Plans the trials of a campaign's candidates."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.campaign = ledger, ledger.campaign
        self._configs: dict[tuple[int, int, float, int, int], dict[str, Any]] = {}
        rate = self.campaign.budget.learning_rates[0]
        self._data_hashes = [
            self.campaign.trial_config(index, 0, rate).make_task().data_hash
            for index in range(len(self.campaign.tasks))
        ]

    def plan(self, record: CandidateRecord, trained: str, rung: int) -> list[TaskPlan]:
        """The trials of a candidate at a rung, task by task; seeds derive from the fingerprint `trained`.

        At the first rung all learning rates race; a later one continues the best of the rung before and
        those close to it. The final training begins anew with fresh seeds at the rate of the last rung.
        """
        return [self._task(record, trained, rung, index) for index in range(len(self.campaign.tasks))]

    def _task(self, record: CandidateRecord, trained: str, rung: int, index: int) -> TaskPlan:
        budget, name = self.campaign.budget, self.campaign.task_name(index)
        final = rung == budget.final_rung
        before = asked(self.ledger, record.proxy, rung - 1) if rung else {}
        steps, counts = [budget.steps(rung)], []
        if not rung:
            steps = [stage.steps for stage in budget.stages]
            counts = [stage.rates for stage in budget.stages]
            rates = budget.learning_rates
        elif final:
            rates = [best(before[name, 0]).result.learning_rate]
        else:
            rates = [trial.result.learning_rate for trial in close_ones(before[name, 0])]
        shorter = {
            (replicate, trial.result.learning_rate): trial.directory
            for (task, replicate), trials in before.items()
            for trial in trials
            if task == name and not final
        }

        def plan(replicate: int, rate: float, length: int, resume_from: str | None) -> Plan:
            return self._plan(record, trained, rung, index, replicate, rate, length, resume_from)

        stages: list[tuple[Plan, ...]] = []
        for length in steps:
            earlier = (
                [each.directory for each in stages[-1]] if stages else [shorter.get((0, r)) for r in rates]
            )
            stages.append(
                tuple(plan(0, rate, length, each) for rate, each in zip(rates, earlier, strict=True))
            )
        replicates = budget.final_seeds if final else budget.replicates(record.origin == "reference")
        return TaskPlan(
            counts=tuple(counts or [len(rates)]),
            stages=tuple(stages),
            replicates=tuple(
                tuple(plan(replicate, rate, steps[-1], shorter.get((replicate, rate))) for rate in rates)
                for replicate in range(1, replicates)
            ),
        )

    def _plan(
        self,
        record: CandidateRecord,
        trained: str,
        rung: int,
        index: int,
        replicate: int,
        rate: float,
        steps: int,
        resume_from: str | None,
    ) -> Plan:
        budget, task = self.campaign.budget, self.campaign.task_name(index)
        config = self._config(index, rung, rate, replicate, steps)
        name = f"{trained}/final" if rung == budget.final_rung else trained
        seed = derive_seed(self.campaign.seed, name, replicate)
        identity = [record.proxy, config, self._data_hashes[index], seed, TRAINING_VERSION]
        identity += [budget.threads, budget.platform]
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        trial_id = f"{task}-{steps}-{rate!r}-{seed}"
        return Plan(
            key=key,
            id=trial_id,
            task=task,
            replicate=replicate,
            config=config,
            seed=seed,
            data_hash=self._data_hashes[index],
            directory=f"candidates/{record.fingerprint}/trials/{trial_id}",
            resume_from=resume_from,
        )

    def _config(self, index: int, rung: int, rate: float, replicate: int, steps: int) -> dict[str, Any]:
        """The configuration of a trial as plain JSON; candidates have it in common."""
        key = (index, rung, rate, replicate, steps)
        if key not in self._configs:
            config = self.campaign.trial_config(index, rung, rate, replicate, steps)
            self._configs[key] = config.model_dump(mode="json")
        return self._configs[key]
