"""Finalists: the best candidates of a finished search, measured for real on the devices that priced them.

What is measured is the target architecture: on this machine, by the runtime that the device was measured
with, where the device is this machine (`hardware_profiles.measuring.measure`); by the device's own command
where its file names one (`hardware_profiles.measuring.remote`). Each candidate on each device and workload is
one event of the journal, a failure with its cause included, so that a resumed run measures only what has
none.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from archsearch.campaign.directory import LoadedRun
from archsearch.campaign.events import CandidateRecord, FinalistsChosen, MeasurementRecord, Percentile
from archsearch.campaign.file import Campaign
from archsearch.campaign.journal import Journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import ON_A_DEVICE, Objective
from archsearch.campaign.pricing import Pricing, workload
from archsearch.campaign.summary import candidate, ranked
from genomes import Architecture, InvalidInput, load_architecture
from genomes.errors import refused
from genomes.files import write_json
from hardware_profiles import Device, Workload, this_machine
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.measurement import MeasuredFigures
from hardware_profiles.measuring.remote import check_command, measure_on
from hardware_profiles.measuring.this_machine import THIS_MACHINE
from hardware_profiles.measuring.trust import is_trusted, trust
from hardware_profiles.runtimes.table import runtime_of
from hardware_profiles.traits import traits_of

Way = Literal["here", "command"]


@dataclass(frozen=True)
class MeasuringPlace:
    """A device and a workload, and whether a model can be measured there."""

    name: str
    """The device as the campaign calls it."""
    device: Device
    workload: Workload
    objectives: tuple[str, ...]
    """Full names of the objectives that a measurement answers."""
    way: Way | None
    why_not: str = ""
    """Why nothing can be measured, in words."""

    def of(self, architecture: Architecture) -> "MeasuringPlace":
        """The same place, its open types filled in by what the architecture is stored in."""
        return replace(self, workload=self.workload.stored_as(architecture))


def places(pricing: Pricing) -> list[MeasuringPlace]:
    """Each device with each distinct workload that an objective of latency or memory names."""
    groups: dict[tuple[Any, ...], list[Objective]] = {}
    for o in pricing.objectives:
        if o.device is not None:
            asked = workload(o)
            key = (o.device, asked.context, asked.batch, asked.types)
            groups.setdefault(key, []).append(o)
    known = []
    for (name, *_), group in groups.items():
        device, asked = pricing.devices[name], workload(group[0])
        objectives = tuple(o.name for o in group)
        known.append(MeasuringPlace(name, device, asked, objectives, *_way(name, device, asked)))
    return known


def trust_commands(pricing: Pricing) -> None:
    """Take the commands of the devices for what the user wants to be started."""
    for device in pricing.devices.values():
        trust(device.measure_command)


def check_finalists(campaign: Campaign, pricing: Pricing) -> None:
    """Raise `InvalidInput` where finalists are to be measured and no device can be, or not with what is
    installed.
    """
    if not campaign.finalists.count:
        return
    known = places(pricing)
    if all(place.way is None for place in known):
        reasons = ", ".join(dict.fromkeys(place.why_not for place in known))
        reasons = reasons or f"no objective is one of {', '.join(ON_A_DEVICE)}"
        raise refused(
            "finalists.count",
            campaign.finalists.count,
            f"0, since nothing can be measured ({reasons})",
            f"give an objective the device {THIS_MACHINE} or a device file with a measure_command",
        )
    check_places(known)


def check_places(known: list[MeasuringPlace]) -> None:
    """Raise `InvalidInput` where a runtime is not installed or a command cannot be filled in."""
    for place in known:
        if place.way == "here":
            runtime_of(place.device).require()
        elif place.way == "command":
            check_command(place.device)


def measure_finalists(loaded: LoadedRun, journal: Journal, look: Callable[[], None]) -> None:
    """Measure the best candidates of the last rung, except what the journal holds; `look` is called often.

    A measurement that fails is written down with its cause.
    """
    campaign, ledger = loaded.campaign, loaded.ledger
    if not campaign.finalists.count:
        return
    known = places(loaded.pricing)
    possible = [place for place in known if place.way is not None]
    chosen = ranked(loaded.standing)[: campaign.finalists.count]
    finalists = FinalistsChosen(
        candidates=tuple(record.fingerprint for record in chosen),
        measurements=len(chosen) * len(possible),
        unmeasured={name: place.why_not for place in known if not place.way for name in place.objectives},
    )
    if finalists != ledger.finalists:
        journal.write(finalists)
        ledger.apply(finalists)
    for record in chosen:
        for place in possible:
            if not _known(record, place, ledger):
                look()
                event = _measure(record, place, loaded, look)
                journal.write(event)
                ledger.apply(event)
        folder = loaded.directory.candidate(record.fingerprint)
        write_json(folder / "result.json", asdict(candidate(record, loaded.standing)))
    look()


def _way(name: str, device: Device, asked: Workload) -> tuple[Way | None, str]:
    """How a device is measured, or None and why it is not."""
    why_not = _elsewhere(name, device)
    if why_not is None:
        try:
            runtime_of(device).check(asked)
        except InvalidInput as error:
            why_not = f"{name}: {error}"
        else:
            return "here", ""
    if not device.measure_command:
        return None, f"{why_not}, and no measure_command is given"
    if not is_trusted(device.measure_command):
        return None, (
            f"{why_not}, and its measure_command {list(device.measure_command)} was not named by an "
            "archsearch run of yours; archsearch resume --allow-commands starts it"
        )
    return "command", ""


def _elsewhere(name: str, device: Device) -> str | None:
    """Why a profile is not one of this machine under a runtime that measures here; None where it is."""
    origin, machine = device.provenance, this_machine()
    if origin is None:
        return f"{name} is not this machine"
    try:
        runtime = runtime_of(device)
    except InvalidInput as error:
        return str(error)
    if origin.runtime != (cpu := f"{runtime.provenance}cpu"):
        if name == THIS_MACHINE:
            return None  # an accelerator, which only jax could name
        return f"{name} was measured with {origin.runtime}, not {cpu}"
    if (origin.processor, origin.threads) != (machine.processor, threads := runtime.threads()):
        return (
            f"{name} was measured on {origin.processor} with {origin.threads} threads, and this machine is "
            f"{machine.processor} with {threads}"
        )
    return None


def _known(record: CandidateRecord, place: MeasuringPlace, ledger: Ledger) -> bool:
    answered = ledger.measured[record.fingerprint].keys() | ledger.measured_failures[record.fingerprint]
    return answered >= set(place.objectives)


def _measure(
    record: CandidateRecord, place: MeasuringPlace, loaded: LoadedRun, look: Callable[[], None]
) -> MeasurementRecord:
    """Measure a candidate at a place, and make the event of it."""
    started, measurement, failure = time.monotonic(), None, None
    try:
        path = loaded.directory.candidate(record.fingerprint) / "target.arch.json"
        architecture = load_architecture(path)
        place = place.of(architecture)
        measurement = _figures(architecture, place, loaded.campaign.finalists.processes, look)
    except (InvalidInput, RuntimeError) as error:
        failure = str(error) or type(error).__name__
    return MeasurementRecord(
        candidate=record.fingerprint,
        device=place.name,
        way=place.way,
        context=place.workload.context,
        batch=place.workload.batch,
        dtype=place.workload.dtype,
        weights=place.workload.weight_dtype,
        cache=place.workload.cache_dtype,
        objectives=place.objectives,
        figures=None if measurement is None else _percentiles(measurement),
        repeat_spread=None if measurement is None else measurement.repeat_spread,
        stable=None if measurement is None else measurement.stable,
        disturbed=None if measurement is None else measurement.disturbed,
        seconds=round(time.monotonic() - started, 3),
        failure=failure,
    )


def _percentiles(measurement: MeasuredFigures) -> dict[str, dict[Percentile, float]]:
    """What was measured, by metric, as the journal keeps it."""
    return {
        figure: {"p10": quantiles.p10, "median": quantiles.median, "p90": quantiles.p90}
        for figure, quantiles in measurement.figures.items()
    }


def _figures(
    architecture: Architecture, place: MeasuringPlace, processes: int, look: Callable[[], None]
) -> MeasuredFigures:
    """What a device measures. Raises `RuntimeError` or `InvalidInput` where no figures can be believed."""
    if place.way == "command":
        return measure_on(place.device, architecture, place.workload)
    runtime, provenance = runtime_of(place.device), place.device.provenance
    measurement = measure(
        architecture, place.workload, runtime.name, processes=processes, progress=lambda _: look()
    )
    platform = measurement.platform["platform"]
    if provenance is not None and provenance.runtime != f"{runtime.provenance}{platform}":
        variable = traits_of(runtime.provenance).platform_variable
        chooses = f"; {variable} chooses the platform" if variable else ""
        raise RuntimeError(
            f"{runtime.name} measured on its platform {platform}, but {place.name} is a profile of "
            f"{provenance.runtime}{chooses}"
        )
    return measurement
