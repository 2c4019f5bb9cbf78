"""Trials: one training of one architecture on one task, judged on held-out streams.

`run_trial` is a plain function of (architecture, configuration, seed). The seed draws the initial weights;
the training stream follows the configuration's own seed, so that candidates can be compared on the same data,
and validation and test streams are the same for every trial of a task. What the architecture is stored in
where it is deployed plays no part in training; it is judged so stored (`proxies.training.scoring`).
"""

import json
import math
import time
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genomes import Architecture, InvalidInput
from proxies.schedule import Schedule
from proxies.tasks import Task
from proxies.tasks.base import Batch, Split
from proxies.tasks.baselines import METRIC, best_baseline, score
from proxies.training import checkpoints
from proxies.training.program import Program, TrainingState, compile_program, initial_state, padded_vocabulary
from proxies.training.scoring import (
    Decoding,
    all_finite,
    compile_decoding,
    judged_by_decoding,
    with_stored_weights,
)
from proxies.training.trial_files import TrialLog, timed
from proxies.trial import PHASES, TRAINING_VERSION, TrialConfig, TrialResult, library_versions

HELD_OUT: tuple[Split, ...] = ("validation", "test")
"""Streams that a trial is judged on."""
HELD_OUT_SEED = 0
"""Seed of these."""
FREE = ("steps", "decay_fraction", "evaluation_batches")
"""Fields in which a trial may differ from the one it continues: the state before the decay is the same."""
LOOK_EVERY_STEPS = 32
"""Training steps between two looks at the loss."""


def run_trial(
    architecture: Architecture,
    config: TrialConfig,
    seed: int,
    directory: Path | None = None,
    resume_from: Path | None = None,
) -> TrialResult:
    """Train an architecture on a task and judge it; the same arguments give the same result.

    `seed` draws the weights, `config.data_seed` the training stream. With a `directory`, it gets `curve.csv`,
    `log.txt`, `checkpoint/` (the weights, and the state before the decay, from which a longer trial
    continues) and at last `result.json`. `resume_from` is the directory of a shorter trial that did so; where
    it holds no usable checkpoint of this version of the training, it starts at step 0 and gives the same
    result, later. A loss that is not finite is a failed result, and so are weights or states that are not
    finite as stored. Raises `InvalidInput` for a task that cannot be made or has no baseline, and where
    `resume_from` holds a trial that is not a shorter one of this.
    """
    started = time.perf_counter()
    task = config.make_task()
    proxy = architecture.with_vocabulary(padded_vocabulary(task.vocab_size))
    trained = proxy.bare
    log = TrialLog(directory)
    log.say(
        f"{config.task}: {config.steps} steps at {config.learning_rate:g}, seed {seed}, {proxy.fingerprint}"
    )
    schedule, phases = config.schedule, dict.fromkeys(PHASES, 0.0)
    held_out = {split: held_out_batches(task, split, config) for split in HELD_OUT}
    with timed(phases, "evaluation"):
        baselines = {s: best_baseline(task.name, task.baselines(held_out[s])) for s in HELD_OUT}

    state, first = initial_state(trained, task.readout, config.length, seed), 0
    earlier = None
    if resume_from is not None:
        asked = {"fingerprint": proxy.fingerprint, "data_hash": task.data_hash, "seed": seed}
        if _is_shorter(resume_from, asked | config.model_dump(mode="json")):
            earlier = checkpoints.before_decay(resume_from, state)
    if earlier is not None and earlier.step <= schedule.decay_start:
        state, first = earlier.state, earlier.step
        log.say(f"continues from step {first}")
    with timed(phases, "compilation"):
        compiled = compile_program(trained, task.readout, config.batch, config.length, config.weight_decay)

    def result(cause: str | None, **measured: Any) -> TrialResult:
        phases["other"] = time.perf_counter() - started - sum(phases.values())
        done = TrialResult(
            status="failed" if cause else "ok",
            cause=cause,
            task=config.task,
            metric=METRIC,
            steps=config.steps,
            learning_rate=config.learning_rate,
            config=config.model_dump(),
            seed=seed,
            fingerprint=proxy.fingerprint,
            data_hash=task.data_hash,
            resumed_from_step=first,
            seconds={phase: round(seconds, 4) for phase, seconds in phases.items()},
            versions=versions(),
            **measured,
        )
        log.close(done)
        return done

    saved: TrainingState | None = None
    for start, stop in _segments(schedule, first):
        if start == schedule.decay_start and directory is not None:
            saved = jax.tree.map(jnp.copy, state)
        batches = [task.batch("train", config.data_seed, index, config.batch) for index in range(start, stop)]
        rates = config.learning_rate * schedule.factors(start, stop)
        with timed(phases, "training"):
            state, metrics = compiled.steps(state, batches, rates, task.vocab_size)
        log.curve(start, rates, metrics)
        losses = metrics.loss + metrics.load_balance
        if not np.isfinite(losses).all():
            step = start + int(np.argmin(np.isfinite(losses)))
            return result(f"the loss became {losses[step - start]} at step {step}")

    judge: Program | Decoding = compiled
    if judged_by_decoding(proxy):
        with timed(phases, "compilation"):
            judge = compile_decoding(proxy, task.readout, config.batch, config.length)
    as_stored = "".join(f", {what} stored in {dtype}" for what, dtype in proxy.stored.items())
    with timed(phases, "evaluation"):
        judged = with_stored_weights(proxy, state)
        if as_stored and not all_finite(judged.parameters):
            return result(f"the weights are not finite{as_stored}")
        measured = {s: judge.evaluate(judged, held_out[s], task.vocab_size) for s in HELD_OUT}
    loss, accuracy, load_balance = measured["test"]
    validation_loss, validation_accuracy, _ = measured["validation"]
    if not math.isfinite(loss + validation_loss):
        lost = f"{loss} (test) and {validation_loss} (validation)"
        return result(f"the held-out loss is {lost}{as_stored}")
    if directory is not None and saved is not None:
        checkpoints.save(directory, state.parameters, saved, schedule.decay_start)
    return result(
        None,
        loss=loss,
        accuracy=accuracy,
        score=score(loss, baselines["test"]),
        baseline=baselines["test"].name,
        baseline_loss=baselines["test"].loss,
        baseline_accuracy=baselines["test"].accuracy,
        bits_per_byte=task.bits_per_byte(loss),
        load_balance=load_balance,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        validation_score=score(validation_loss, baselines["validation"]),
        validation_baseline_loss=baselines["validation"].loss,
    )


def versions() -> dict[str, str]:
    """What a result depends on besides its arguments."""
    return {
        "training": str(TRAINING_VERSION),
        **library_versions(),
        "backend": jax.default_backend(),
    }


def _is_shorter(directory: Path, asked: dict[str, Any]) -> bool:
    """Whether a directory holds the same trial at other steps; False where it holds the result of none,
    or of another version of the training.

    Raises `InvalidInput` naming what differs: going on from there would be the training of neither.
    """
    try:
        record = json.loads((directory / "result.json").read_text(encoding="utf-8"))
        fields = record["config"] | record
        if record["versions"]["training"] != str(TRAINING_VERSION):
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    for name, wanted in asked.items():
        if name not in FREE and fields.get(name, wanted) != wanted:
            raise InvalidInput(
                f"resume_from = {directory}: a trial with {name} = {fields[name]!r}, asked for {wanted!r}; "
                f"legal: a trial that differs in {', '.join(FREE)} alone"
            )
    return True


def _segments(schedule: Schedule, first: int) -> list[tuple[int, int]]:
    """Ranges of steps between which the loss is looked at; the decay starts one of its own."""
    bounds = {schedule.decay_start, schedule.steps}
    bounds |= set(range(first, schedule.steps, LOOK_EVERY_STEPS))
    inside = sorted(bound for bound in bounds if bound >= first)
    return list(pairwise(inside))


def held_out_batches(task: Task, split: Split, config: TrialConfig) -> tuple[Batch, ...]:
    """The batches of a held-out stream, the same for every trial; kept for those that follow."""
    return _held_out_batches(task, split, config.evaluation_batches, config.batch)


@lru_cache(maxsize=16)
def _held_out_batches(task: Task, split: Split, count: int, size: int) -> tuple[Batch, ...]:
    return tuple(task.batch(split, HELD_OUT_SEED, index, size) for index in range(count))
