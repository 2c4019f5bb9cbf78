"""What a worker does: the trials of one proxy at one rung. Runs inside a worker process."""

import json
from pathlib import Path
from typing import Any

from genomes import read_architecture

FUNCTION = "archsearch.evaluation.job:train"


def train(payload: dict[str, Any]) -> dict[str, Any]:
    """Train and judge each trial of `payload`; one program serves them all.

    A trial whose directory already holds the result of the very same trial is not run again: a worker may
    have finished it just before its driver was killed.
    """
    import jax

    from proxies.training.trials import run_trial, versions
    from proxies.trial import TrialConfig

    if payload["compilation_cache"]:
        options = {
            "jax_compilation_cache_dir": payload["compilation_cache"],
            "jax_compilation_cache_max_size": payload["compilation_cache_bytes"],
            "jax_persistent_cache_min_compile_time_secs": 0.5,
        }
        for name, value in options.items():
            jax.config.update(name, value)  # type: ignore[no-untyped-call]
    architecture = read_architecture(payload["architecture"])
    results = []
    for trial in payload["trials"]:
        directory = Path(trial["directory"])
        result = _finished(directory, trial, versions())
        if result is None:
            resume_from = trial["resume_from"] and Path(trial["resume_from"])
            config = TrialConfig.model_validate(trial["config"])
            result = run_trial(architecture, config, trial["seed"], directory, resume_from).to_dict()
        if result["data_hash"] != trial["data_hash"]:
            raise RuntimeError(
                f"{trial['config']['task']}: this worker's data ({result['data_hash']}) are not the driver's "
                f"({trial['data_hash']}); give every machine the same files and Python version"
            )
        results.append(result)
    return {"results": results}


def _finished(directory: Path, trial: dict[str, Any], versions: dict[str, str]) -> dict[str, Any] | None:
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
