"""`archsearch validate`: predictions against whole models measured on this machine.

Each round measures every model once, in a fresh process, so that a slow hour touches all of them. A yardstick
beside each measurement (`proxies.yardstick`) tells the machine's drift from the model's error: measured times
are given as they would be at the pace of the calibration.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from archsearch.measuring import FIGURES, measure_once
from archsearch.runtimes import runtime_of
from genomes import Architecture, InvalidInput
from hardware_profiles import Device, Workload, predict
from hardware_profiles.drift import drifts
from hardware_profiles.families import PHASES, Phase
from hardware_profiles.validation import Errors, Validation, errors

Progress = Callable[[int, int, str], None]
"""Told measurements done, measurements in all, and the name of the next model."""


def validate(
    device: Device,
    architectures: Sequence[tuple[str, Architecture]],
    context: int = 1024,
    batch: int = 1,
    dtype: str = "float32",
    weights: str | None = None,
    cache: str | None = None,
    processes: int = 3,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure models on this machine, with the profile's runtime, and judge its predictions; plain JSON.

    - `models`: for each `name`, `parameters`, and each figure's `measured`, `predicted`, `error` (relative)
      and `repeat_spread` (between processes), `drift`
    - `prefill_latency_s`, `decode_latency_s`, `peak_memory_bytes`: `hardware_profiles.validation.Errors`

    Raises `InvalidInput` where there is no model or the workload is not legal, `RuntimeError` where a model
    does not fit in memory or a process fails.
    """
    if not architectures:
        raise InvalidInput("no models to validate on; expected at least one .arch.json")
    workload = Workload(context=context, batch=batch, dtype=dtype, weights=weights, cache=cache)
    runtime = runtime_of(device)
    for _, architecture in architectures:
        predict(architecture, device, workload)  # refuses what it cannot price before anything is measured
    answers: list[dict[str, Any]] = []
    total = processes * len(architectures)
    for number in range(total):
        index = number % len(architectures)
        name, architecture = architectures[index]
        if progress is not None:
            progress(number, total, name)
        answers.append(measure_once(architecture, workload, runtime))
    usual = device.yardstick_s or {phase: median(a["yardstick"][phase] for a in answers) for phase in PHASES}
    paces = drifts([answer["yardstick"] for answer in answers], usual)
    turns = list(zip(answers, paces, strict=True))
    models = [
        _model(name, architecture, device, workload, turns[index :: len(architectures)])
        for index, (name, architecture) in enumerate(architectures)
    ]
    judged = {figure: _judge(models, figure) for figure in FIGURES}
    return {
        "device": device.name,
        "runtime": runtime.name,
        "calibration": device.calibration,
        "context": context,
        "batch": batch,
        "dtype": dtype,
        "weights": workload.weight_dtype,
        "cache": workload.cache_dtype,
        "processes": processes,
        "date": datetime.now(UTC).date().isoformat(),
        "models": models,
        **{figure: found.model_dump(mode="json") for figure, found in judged.items()},
    }


def with_validation(device: Device, found: dict[str, Any]) -> Device:
    """The profile whose intervals come from what `validate` found."""
    keys = ("date", "context", "batch", "dtype", "weights", "cache", *FIGURES)
    return device.model_copy(
        update={"validation": Validation.model_validate({key: found[key] for key in keys})}
    )


def _model(
    name: str,
    architecture: Architecture,
    device: Device,
    workload: Workload,
    turns: list[tuple[dict[str, Any], dict[Phase, float]]],
) -> dict[str, Any]:
    predicted = predict(architecture, device, workload)
    row: dict[str, Any] = {"name": name, "parameters": predicted.parameters, "notes": list(predicted.notes)}
    for figure, phase in zip(FIGURES, (*PHASES, None), strict=True):
        found = [float(median(answer[figure])) if phase else float(answer[figure]) for answer, _ in turns]
        drift = [pace[phase] if phase else 1.0 for _, pace in turns]
        steady = [value / factor for value, factor in zip(found, drift, strict=True)]
        middle = median(steady)
        value = getattr(predicted, figure).value
        row[figure] = {
            "measured": middle,
            "predicted": value,
            "error": value / middle - 1,
            "repeat_spread": (max(steady) - min(steady)) / middle if len(steady) > 1 else None,
            "drift": median(drift),
        }
    return row


def _judge(models: list[dict[str, Any]], figure: str) -> Errors:
    rows = [model[figure] for model in models]
    return errors(
        [model["name"] for model in models],
        [row["measured"] for row in rows],
        [row["predicted"] for row in rows],
        [row["repeat_spread"] for row in rows],
    )
