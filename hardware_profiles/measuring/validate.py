"""`archsearch validate`: predictions against whole models measured on this machine.

Each round measures every model once, in a fresh process, so that a slow hour touches all of them; what other
programs disturbed is measured once more at the end. A yardstick beside each measurement
(`hardware_profiles.timing.drift`) tells the machine's drift from the model's error: measured times are given
as they would be at the pace of the calibration.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from genomes import Architecture, InvalidInput
from hardware_profiles import Device, Workload, predict
from hardware_profiles.cases import DISTURBED, PHASES, Phase
from hardware_profiles.measuring.measure import measure_once
from hardware_profiles.runtimes.table import runtime_of
from hardware_profiles.timing.drift import drifts
from hardware_profiles.validation import Errors, Validation, errors
from hardware_profiles.workload import FIGURES

Turn = tuple[int, dict[str, Any]]
"""Which model was measured, and the answer."""
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

    `weights` and `cache` are by default what the models say, which must be the same for all, else `dtype`.

    - `models`: for each `name`, `parameters`, and each figure's `measured`, `predicted`, `error` (relative)
      and `repeat_spread` (between processes), `drift`
    - `disturbed`: measurements among them that other programs disturbed, twice
    - `prefill_latency_s`, `decode_latency_s`, `peak_memory_bytes`: `hardware_profiles.validation.Errors`

    Raises `InvalidInput` where there is no model, they differ in what they are stored in or the workload is
    not legal, `RuntimeError` where a model does not fit in memory or a process fails.
    """
    if not architectures:
        raise InvalidInput("no models to validate on; expected at least one .arch.json")
    asked = Workload(context=context, batch=batch, dtype=dtype, weights=weights, cache=cache)
    workload = asked.stored_as(architectures[0][1])
    for name, architecture in architectures:
        if (types := asked.stored_as(architecture).types) != workload.types:
            raise InvalidInput(
                f"{name} is stored in {' / '.join(types[1:])}, {architectures[0][0]} in "
                f"{' / '.join(workload.types[1:])}; validate one after the other, or say weights and cache"
            )
    runtime = runtime_of(device)
    for _, architecture in architectures:
        predict(architecture, device, workload)  # refuses what it cannot price before anything is measured
    total = processes * len(architectures)

    def measured(number: int, index: int) -> Turn:
        name, architecture = architectures[index]
        if progress is not None:
            progress(number, total, name)
        return index, measure_once(architecture, workload, runtime)

    turns = [measured(number, number % len(architectures)) for number in range(total)]
    again = [turn for turn in turns if _disturbed(turn)]
    turns = [turn for turn in turns if not _disturbed(turn)]
    total += len(again)
    for number, (index, _) in enumerate(again, total - len(again)):
        turns.append(measured(number, index))
    readings = [answer["yardstick"] for _, answer in turns]
    usual = device.yardstick_s or {phase: median(r[phase] for r in readings) for phase in PHASES}
    paces = drifts(readings, usual)
    models = [
        _model(
            name,
            architecture,
            device,
            workload,
            [(answer, pace) for (of, answer), pace in zip(turns, paces, strict=True) if of == index],
        )
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
        "disturbed": sum(map(_disturbed, turns)),
        "date": datetime.now(UTC).date().isoformat(),
        "models": models,
        **{figure: found.model_dump(mode="json") for figure, found in judged.items()},
    }


def _disturbed(turn: Turn) -> bool:
    return bool(turn[1]["other_load"] > DISTURBED)


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
