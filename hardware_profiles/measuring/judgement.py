"""The judgement of a profile: predictions beside what whole models measured."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from hardware_profiles.device import Device
from hardware_profiles.validation import Errors, Validation
from hardware_profiles.workload import FigureName, Workload


@dataclass(frozen=True)
class FigureError:
    """One figure of a model, predicted and measured; seconds or bytes."""

    measured: float
    """Median over processes, the machine's drift taken out."""
    predicted: float
    repeat_spread: float | None
    """(largest - smallest) / median between processes; None where there was one."""
    drift: float
    """Median factor by which the machine was slower than in the calibration."""

    @property
    def error(self) -> float:
        """Relative error of the prediction; below zero where it is too low."""
        return self.predicted / self.measured - 1

    def to_dict(self) -> dict[str, float | None]:
        """Plain JSON values."""
        return {
            "measured": self.measured,
            "predicted": self.predicted,
            "error": self.error,
            "repeat_spread": self.repeat_spread,
            "drift": self.drift,
        }


@dataclass(frozen=True)
class ModelErrors:
    """The figures of one model."""

    name: str
    parameters: int
    notes: tuple[str, ...]
    """What the price rests on beside measured curves, in words."""
    prefill_latency_s: FigureError
    decode_latency_s: FigureError
    peak_memory_bytes: FigureError

    @property
    def figures(self) -> dict[FigureName, FigureError]:
        """The figures by name."""
        return {
            "prefill_latency_s": self.prefill_latency_s,
            "decode_latency_s": self.decode_latency_s,
            "peak_memory_bytes": self.peak_memory_bytes,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        head = {"name": self.name, "parameters": self.parameters, "notes": list(self.notes)}
        return head | {name: figure.to_dict() for name, figure in self.figures.items()}


@dataclass(frozen=True)
class Judgement:
    """A profile judged by whole models; `to_dict` is the JSON of `archsearch validate`."""

    device: str
    runtime: str
    calibration: str
    workload: Workload
    processes: int
    """Fresh processes for each model."""
    disturbed: int
    """Measurements that other programs disturbed, twice."""
    date: date
    models: tuple[ModelErrors, ...]
    prefill_latency_s: Errors
    decode_latency_s: Errors
    peak_memory_bytes: Errors

    @property
    def errors(self) -> dict[FigureName, Errors]:
        """The errors over all models, by figure."""
        return {
            "prefill_latency_s": self.prefill_latency_s,
            "decode_latency_s": self.decode_latency_s,
            "peak_memory_bytes": self.peak_memory_bytes,
        }

    @property
    def validation(self) -> Validation:
        """What a device file keeps of it."""
        return Validation(
            date=self.date,
            context=self.workload.context,
            batch=self.workload.batch,
            dtype=self.workload.dtype,
            weights=self.workload.weight_dtype,
            cache=self.workload.cache_dtype,
            **self.errors,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "device": self.device,
            "runtime": self.runtime,
            "calibration": self.calibration,
            "context": self.workload.context,
            "batch": self.workload.batch,
            "dtype": self.workload.dtype,
            "weights": self.workload.weight_dtype,
            "cache": self.workload.cache_dtype,
            "processes": self.processes,
            "disturbed": self.disturbed,
            "date": self.date.isoformat(),
            "models": [model.to_dict() for model in self.models],
            **{name: figure.model_dump(mode="json") for name, figure in self.errors.items()},
        }


def with_validation(device: Device, judgement: Judgement) -> Device:
    """The profile whose intervals come from a judgement."""
    return device.model_copy(update={"validation": judgement.validation})
