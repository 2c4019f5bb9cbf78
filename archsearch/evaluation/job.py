"""What a worker does: the trials of one proxy at one rung. Runs inside a worker process."""

import contextlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import filelock

from archsearch.campaign.rates import race
from archsearch.executors.base import MachineError
from genomes import InvalidInput, read_architecture
from proxies.trial import TrialConfig

HEALING_TIMEOUT_S = 10.0
FUNCTION = "archsearch.evaluation.job:train"

Trial = dict[str, Any]
"""A trial as `archsearch.evaluation.plans.Plan` has it, its directories absolute; `known` is its result where
the driver has it."""


def train(payload: dict[str, Any]) -> dict[str, Any]:
    """Train and judge what the rates of `payload` need; one program serves all trials.

    A trial whose directory already holds the result of the very same trial is not run again: a worker may
    have finished it just before its driver was killed. Returns what `follow` does.
    """
    import jax

    from proxies.training.trials import run_trial, versions

    if payload["compilation_cache"]:
        heal(payload["compilation_cache"])
        options = {
            "jax_compilation_cache_dir": payload["compilation_cache"],
            "jax_compilation_cache_max_size": payload["compilation_cache_bytes"],
            "jax_persistent_cache_min_compile_time_secs": 0.5,
        }
        for name, value in options.items():
            jax.config.update(name, value)  # type: ignore[no-untyped-call]
    architecture = read_architecture(payload["architecture"])

    def run(trial: Trial) -> dict[str, Any]:
        directory = Path(trial["directory"])
        result = _finished(directory, trial, versions())
        if result is None:
            resume_from = trial["resume_from"] and Path(trial["resume_from"])
            config = TrialConfig.model_validate(trial["config"])
            _check_data(config, trial["data_hash"])
            result = run_trial(architecture, config, trial["seed"], directory, resume_from).to_dict()
        return result

    return follow(payload["tasks"], run)


@cache
def heal(folder: str) -> None:
    """Remove entries of JAX's compilation cache that a kill left half written.

    JAX writes an entry and then the time of its use. It raises for an entry without a time whenever it writes
    another, so that one of them would stop all later writes. Does nothing where the folder cannot be changed.
    """
    path = Path(folder)
    with contextlib.suppress(OSError, filelock.Timeout):
        path.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path / ".lockfile", timeout=HEALING_TIMEOUT_S):  # as JAX itself locks it
            for entry in path.glob("*-cache"):
                if not entry.with_name(f"{entry.name.removesuffix('-cache')}-atime").exists():
                    entry.unlink(missing_ok=True)


def _check_data(config: TrialConfig, expected: str) -> None:
    """Raise `MachineError` where this worker has not the data that the driver has."""
    try:
        data_hash = config.make_task().data_hash
    except InvalidInput as error:
        raise MachineError(f"the data of this worker cannot be read: {error}") from None
    if data_hash != expected:
        raise MachineError(
            f"{config.task}: this worker's data ({data_hash}) are not the driver's ({expected}); give every "
            "machine the same files and Python version"
        )


def follow(tasks: list[dict[str, Any]], run: Callable[[Trial], dict[str, Any]]) -> dict[str, Any]:
    """Go through the rates of each task by successive halving, then train further replicates at the best one.

    Returns the keys of the trials taken, `asked`, in their order, and the `results` by key of those that
    `run` gave, that is that were not known.
    """
    asked: list[str] = []
    results: dict[str, dict[str, Any]] = {}

    def loss(trial: Trial) -> float | None:
        result = trial["known"]
        if result is None:
            result = results[trial["key"]] = run(trial)
        asked.append(trial["key"])
        return result["validation_loss"] if result["status"] == "ok" else None

    for task in tasks:
        best = _race(task, loss)
        if best is not None:
            for replicate in task["replicates"]:
                loss(replicate[best])
    return {"asked": asked, "results": results}


def _race(task: dict[str, Any], loss: Callable[[Trial], float | None]) -> int | None:
    return race(task["counts"], lambda stage, rate: loss(task["stages"][stage][rate]))


def _finished(directory: Path, trial: Trial, versions: dict[str, str]) -> dict[str, Any] | None:
    try:
        result: dict[str, Any] = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = (
        result.get("config") == trial["config"]
        and result.get("seed") == trial["seed"]
        and result.get("data_hash") == trial["data_hash"]
        and result.get("versions") == versions
    )
    return result if same else None
