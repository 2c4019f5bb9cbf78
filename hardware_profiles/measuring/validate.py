"""`archsearch validate`: predictions against whole models measured on this machine.

Each round measures every model once, in a fresh process, so that a slow hour touches all of them; what other
programs disturbed is measured once more at the end. A yardstick beside each measurement
(`hardware_profiles.timing.drift`) tells the machine's drift from the model's error: measured times are given
as they would be at the pace of the calibration.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median

from genomes import Architecture, InvalidInput
from genomes.errors import refused
from hardware_profiles.cases import PHASES, Phase
from hardware_profiles.cost import predict
from hardware_profiles.device import Device
from hardware_profiles.machine import this_machine
from hardware_profiles.measuring.judgement import FigureError, Judgement, ModelErrors
from hardware_profiles.measuring.measure import PROCESSES, check_processes, measure_once
from hardware_profiles.measuring.measurement import ProcessAnswer
from hardware_profiles.runtimes.table import runtime_of
from hardware_profiles.timing.drift import drifts
from hardware_profiles.validation import Errors, errors
from hardware_profiles.workload import FigureName, Workload

Turn = tuple[int, ProcessAnswer]
"""Index of the model that was measured, and the answer."""
Progress = Callable[[int, int, str], None]
"""Receives measurements done, measurements in all, and the name of the next model."""


def validate(
    device: Device,
    models: Sequence[tuple[str, Architecture]],
    workload: Workload | None = None,
    *,
    processes: int = PROCESSES,
    progress: Progress | None = None,
) -> Judgement:
    """Measure models on this machine, with the profile's runtime, and judge the profile's predictions.

    `models` are names and architectures; what the workload leaves open is stored as they say, which must be
    the same for all.

    Raises `InvalidInput` where the profile is of another machine, there is no model, they differ in what they
    are stored in or the profile has no price for one, `RuntimeError` where a model does not fit in memory or
    a process fails.
    """
    if not models:
        raise InvalidInput("no models to validate on; expected at least one .arch.json")
    check_processes(processes)
    workload = _common_workload(models, workload or Workload())
    runtime = runtime_of(device)
    _check_here(device)
    for _, architecture in models:
        predict(architecture, device, workload)  # refuses what it cannot price before anything is measured
    total = processes * len(models)

    def measured(number: int, index: int) -> Turn:
        name, architecture = models[index]
        if progress is not None:
            progress(number, total, name)
        answer = measure_once(architecture, workload, runtime)
        _check_platform(device, answer)
        return index, answer

    turns = [measured(number, number % len(models)) for number in range(total)]
    again = [index for index, answer in turns if answer.disturbed]
    turns = [(index, answer) for index, answer in turns if not answer.disturbed]
    total += len(again)
    for number, index in enumerate(again, total - len(again)):
        turns.append(measured(number, index))
    readings = [answer.yardstick_s for _, answer in turns]
    usual = device.yardstick_s or {phase: median(r[phase] for r in readings) for phase in PHASES}
    paces = drifts(readings, usual)
    judged = tuple(
        _model_errors(
            name,
            architecture,
            device,
            workload,
            [(answer, pace) for (turn, answer), pace in zip(turns, paces, strict=True) if turn == index],
        )
        for index, (name, architecture) in enumerate(models)
    )
    return Judgement(
        device=device.name,
        runtime=runtime.name,
        calibration=device.calibration,
        workload=workload,
        processes=processes,
        disturbed=sum(answer.disturbed for _, answer in turns),
        date=datetime.now(UTC).date(),
        models=judged,
        prefill_latency_s=_errors(judged, "prefill_latency_s"),
        decode_latency_s=_errors(judged, "decode_latency_s"),
        peak_memory_bytes=_errors(judged, "peak_memory_bytes"),
    )


def _check_here(device: Device) -> None:
    """Raise `InvalidInput` where a profile was measured on another machine: models are measured here."""
    origin, processor = device.provenance, this_machine().processor
    if origin is not None and device.kind == "cpu" and origin.processor != processor:
        raise refused(
            f"device {device.name}: processor",
            origin.processor,
            f"{processor}, since models are measured on this machine",
            "archsearch calibrate makes a profile of this machine; finalists of a campaign measure elsewhere",
        )


def _check_platform(device: Device, answer: ProcessAnswer) -> None:
    """Raise `InvalidInput` where models run on a processor of another kind than the device is."""
    platform = answer.platform["platform"]
    if (platform == "cpu") != (device.kind == "cpu"):
        raise refused(
            f"device {device.name}: kind",
            device.kind,
            f"what models are measured on here, which is {platform}",
            "validate on the device itself, or let finalists of a campaign be measured there",
        )


def _common_workload(models: Sequence[tuple[str, Architecture]], asked: Workload) -> Workload:
    """The workload with the types that all models are stored in."""
    first_name, first = models[0]
    workload = asked.stored_as(first)
    for name, architecture in models:
        if (types := asked.stored_as(architecture).types) != workload.types:
            raise InvalidInput(
                f"{name} is stored in {' / '.join(types[1:])}, {first_name} in "
                f"{' / '.join(workload.types[1:])}; validate one after the other, or say weights and cache"
            )
    return workload


def _model_errors(
    name: str,
    architecture: Architecture,
    device: Device,
    workload: Workload,
    turns: list[tuple[ProcessAnswer, dict[Phase, float]]],
) -> ModelErrors:
    predicted = predict(architecture, device, workload)

    def latency(phase: Phase, value: float) -> FigureError:
        return _figure_error(
            value, [answer.latency_s(phase) for answer, _ in turns], [pace[phase] for _, pace in turns]
        )

    peaks = [float(answer.peak_memory_bytes) for answer, _ in turns]
    return ModelErrors(
        name=name,
        parameters=predicted.parameters,
        notes=predicted.notes,
        prefill_latency_s=latency("prefill", predicted.prefill_latency_s.value),
        decode_latency_s=latency("decode", predicted.decode_latency_s.value),
        peak_memory_bytes=_figure_error(predicted.peak_memory_bytes.value, peaks, [1.0] * len(peaks)),
    )


def _figure_error(predicted: float, measured: list[float], drift: list[float]) -> FigureError:
    """The error against the median of what was measured, as it would be at the pace of the calibration."""
    steady = [value / factor for value, factor in zip(measured, drift, strict=True)]
    middle = median(steady)
    return FigureError(
        measured=middle,
        predicted=predicted,
        repeat_spread=(max(steady) - min(steady)) / middle if len(steady) > 1 else None,
        drift=median(drift),
    )


def _errors(models: Sequence[ModelErrors], figure: FigureName) -> Errors:
    rows = [model.figures[figure] for model in models]
    return errors(
        [model.name for model in models],
        [row.measured for row in rows],
        [row.predicted for row in rows],
        [row.repeat_spread for row in rows],
    )
