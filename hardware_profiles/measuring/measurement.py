"""What measuring gives: the answer of one process, and the measurement that several add up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

import numpy as np

from hardware_profiles.cases import DISTURBED, LATENCIES, PHASES, Phase
from hardware_profiles.energy import joules
from hardware_profiles.machine import Machine
from hardware_profiles.timing.power import MEASURED
from hardware_profiles.workload import FigureName, Workload

STABLE = 0.05
"""Largest repeat spread of a stable measurement."""


@dataclass(frozen=True)
class Quantiles:
    """A figure that was sampled, in its unit."""

    median: float
    p10: float
    p90: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Self:
        """The quantiles of samples, at least one."""
        p10, middle, p90 = (float(value) for value in np.percentile(samples, (10, 50, 90)))
        return cls(middle, p10, p90)

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return {"median": self.median, "p10": self.p10, "p90": self.p90}


@dataclass(frozen=True)
class ProcessAnswer:
    """What one fresh process measured of a model; see `hardware_profiles.timing.worker`."""

    prefill_latency_s: tuple[float, ...]
    """Samples, as all latencies are."""
    decode_latency_s: tuple[float, ...]
    decode_latency_by_depth_s: Mapping[str, tuple[float, ...]]
    peak_memory_bytes: float
    memory_counts: str
    """What the peak is the memory of, in words."""
    yardstick_s: Mapping[Phase, float]
    settled: bool
    """Whether the samples stopped drifting."""
    other_load: float
    """Share of the machine's CPU time that other programs took."""
    platform: Mapping[str, str]
    """`platform` and `kind` of what computed."""
    threads: int
    versions: Mapping[str, str]
    options: Mapping[str, Any] | None
    """Options of the runtime, where it has some."""
    power_w: Mapping[Phase, float | None]
    """Mean power while running, empty where nothing counts energy."""
    energy: str | None
    """How power was measured or why not, in words; None where the runtime never measures it."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The answer from the JSON object that a measuring program prints."""
        return cls(
            prefill_latency_s=tuple(values["prefill_latency_s"]),
            decode_latency_s=tuple(values["decode_latency_s"]),
            decode_latency_by_depth_s={
                depth: tuple(samples) for depth, samples in values["decode_latency_by_depth_s"].items()
            },
            peak_memory_bytes=values["peak_memory_bytes"],
            memory_counts=values["memory_counts"],
            yardstick_s=values["yardstick"],
            settled=values["settled"],
            other_load=values["other_load"],
            platform=values["device"],
            threads=values["threads"],
            versions=values["versions"],
            options=values.get("options"),
            power_w=values.get("power_w", {}),
            energy=values.get("energy"),
        )

    @property
    def disturbed(self) -> bool:
        """Whether other programs took more than a tenth of the machine's CPU time."""
        return self.other_load > DISTURBED

    def latency_s(self, phase: Phase) -> float:
        """Median seconds of a prompt or of a decoded token."""
        return float(median(self.samples_s(phase)))

    def energy_j(self, phase: Phase) -> float | None:
        """Joules of a prompt or of a decoded token; None where its power is not known."""
        return joules(self.power_w.get(phase), median(self.samples_s(phase)))

    def samples_s(self, phase: Phase) -> tuple[float, ...]:
        """Seconds of each prompt or of each decoded token."""
        return self.prefill_latency_s if phase == "prefill" else self.decode_latency_s


@dataclass(frozen=True, kw_only=True)
class MeasuredFigures:
    """The figures of a model as a device gave them, here or by its command."""

    prefill_latency_s: Quantiles
    """Time to first token of the whole prompt."""
    decode_latency_s: Quantiles
    """One decoded token of each sequence, at the prompt's depth."""
    peak_memory_bytes: Quantiles
    repeat_spread: float | None
    """(largest - smallest) / median between repeats; None where there is only one, or nobody says."""
    stable: bool | None
    disturbed: bool | None
    """Whether other programs were in the way."""

    @property
    def figures(self) -> dict[FigureName, Quantiles]:
        """The figures by name."""
        return {
            "prefill_latency_s": self.prefill_latency_s,
            "decode_latency_s": self.decode_latency_s,
            "peak_memory_bytes": self.peak_memory_bytes,
        }


@dataclass(frozen=True)
class Circumstances:
    """What a measurement rests on; `provenance` in its JSON."""

    date: str
    versions: Mapping[str, str]
    options: Mapping[str, Any] | None
    threads: int
    load_average: float | None
    other_load: float
    processes: int
    samples: Mapping[FigureName, list[int]]
    """Number of samples of each process, by latency."""
    process_medians: Mapping[FigureName, list[float]]
    """Medians of each process in seconds, by latency."""
    settled: bool
    prefill_chunk: int
    memory_counts: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        fields = dict(vars(self))
        if self.options is None:
            del fields["options"]
        return fields


@dataclass(frozen=True, kw_only=True)
class Measurement(MeasuredFigures):
    """A model measured on this machine; `to_dict` is the JSON of `archsearch measure`."""

    decode_latency_by_depth_s: Mapping[str, Quantiles]
    """One decoded token that sees as many tokens as its key says."""
    prefill_energy_j: Quantiles | None
    """Joules of a prompt; None where a process could not tell."""
    decode_energy_j: Quantiles | None
    energy: str
    """How energy was measured, or why not, in words."""
    workload: Workload
    runtime: str
    platform: Mapping[str, str]
    """`platform` and `kind` of what computed."""
    machine: Machine
    circumstances: Circumstances = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        energies = {"prefill_energy_j": self.prefill_energy_j, "decode_energy_j": self.decode_energy_j}
        return {
            "prefill_latency_s": self.prefill_latency_s.to_dict(),
            "decode_latency_s": self.decode_latency_s.to_dict(),
            "decode_latency_by_depth_s": {
                depth: latency.to_dict() for depth, latency in self.decode_latency_by_depth_s.items()
            },
            "peak_memory_bytes": self.peak_memory_bytes.to_dict(),
            **{name: energy and energy.to_dict() for name, energy in energies.items()},
            "energy": self.energy,
            "repeat_spread": self.repeat_spread,
            "stable": self.stable,
            "disturbed": self.disturbed,
            "context": self.workload.context,
            "batch": self.workload.batch,
            "dtype": self.workload.dtype,
            "weights": self.workload.weight_dtype,
            "cache": self.workload.cache_dtype,
            "runtime": self.runtime,
            "device": {
                **self.platform,
                "processor": self.machine.processor,
                "cores": self.machine.cores,
                "memory_bytes": self.machine.memory_bytes,
            },
            "provenance": self.circumstances.to_dict(),
        }


def combined(
    answers: Sequence[ProcessAnswer],
    workload: Workload,
    runtime: str,
    machine: Machine,
    *,
    date: str,
    load_average: float | None,
) -> Measurement:
    """The measurement that the answers of all processes add up to; at least one."""
    last = answers[-1]
    medians = {
        name: [median(answer.samples_s(phase)) for answer in answers] for phase, name in LATENCIES.items()
    }
    spread = max((max(m) - min(m)) / median(m) for m in medians.values()) if len(answers) > 1 else None
    other_load = max(answer.other_load for answer in answers)
    settled = all(answer.settled for answer in answers)
    energies = {phase: _energy(answers, phase) for phase in PHASES}
    return Measurement(
        prefill_latency_s=Quantiles.of([s for answer in answers for s in answer.prefill_latency_s]),
        decode_latency_s=Quantiles.of([s for answer in answers for s in answer.decode_latency_s]),
        peak_memory_bytes=Quantiles.of([answer.peak_memory_bytes for answer in answers]),
        decode_latency_by_depth_s={
            depth: Quantiles.of([s for answer in answers for s in answer.decode_latency_by_depth_s[depth]])
            for depth in last.decode_latency_by_depth_s
        },
        prefill_energy_j=energies["prefill"],
        decode_energy_j=energies["decode"],
        energy=_energy_in_words(last, runtime, None in energies.values()),
        repeat_spread=spread,
        stable=settled and spread is not None and spread <= STABLE,
        disturbed=other_load > DISTURBED,
        workload=workload,
        runtime=runtime,
        platform=last.platform,
        machine=machine,
        circumstances=Circumstances(
            date=date,
            versions=last.versions,
            options=last.options,
            threads=last.threads,
            load_average=load_average,
            other_load=other_load,
            processes=len(answers),
            samples={
                name: [len(answer.samples_s(phase)) for answer in answers]
                for phase, name in LATENCIES.items()
            },
            process_medians=medians,
            settled=settled,
            prefill_chunk=workload.prefill_chunk,
            memory_counts=last.memory_counts,
        ),
    )


def _energy(answers: Sequence[ProcessAnswer], phase: Phase) -> Quantiles | None:
    """Joules of a prompt or of a step, one sample a process; None where one could not tell."""
    steps = [answer.energy_j(phase) for answer in answers]
    known = [energy for energy in steps if energy is not None]
    return Quantiles.of(known) if len(known) == len(steps) else None


def _energy_in_words(last: ProcessAnswer, runtime: str, missing: bool) -> str:
    words = last.energy or f"not measured with {runtime}"
    return f"{words}; null where the counter told nothing" if words == MEASURED and missing else words
