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
from archsearch.campaign.file import Campaign
from archsearch.campaign.journal import Journal
from archsearch.campaign.ledger import CandidateRecord, Finalists, Ledger
from archsearch.campaign.objectives import Pricing, workload
from archsearch.campaign.sections import ON_A_DEVICE
from archsearch.campaign.summary import candidate, ranked
from genomes import Architecture, InvalidInput, load_architecture
from genomes.files import write_json
from hardware_profiles import Device, Workload, this_machine
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.measurement import MeasuredFigures
from hardware_profiles.measuring.remote import check_command, measure_on
from hardware_profiles.measuring.this_machine import THIS_MACHINE
from hardware_profiles.runtimes.table import runtime_of
from hardware_profiles.traits import traits_of

Way = Literal["here", "command"]


@dataclass(frozen=True)
class Place:
    """A device and a workload, and whether a model can be measured there."""

    name: str
    """The device as the campaign calls it."""
    device: Device
    workload: Workload
    objectives: tuple[str, ...]
    """Full names of those that a measurement answers."""
    way: Way | None
    why_not: str = ""
    """Why nothing can be measured, in words."""

    def of(self, architecture: Architecture) -> "Place":
        """With the types that its objectives leave open as a candidate is stored."""
        return replace(self, workload=self.workload.stored_as(architecture))


def places(pricing: Pricing) -> list[Place]:
    """Each device with each distinct workload that an objective of latency or memory names."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, section in enumerate(pricing.sections):
        if section.metric in ON_A_DEVICE:
            asked = workload(section)
            key = (section.device, asked.context, asked.batch, asked.types)
            groups.setdefault(key, []).append(index)
    found = []
    for (name, *_), indices in groups.items():
        device, asked = pricing.devices[name], workload(pricing.sections[indices[0]])
        objectives = tuple(pricing.objectives[index].name for index in indices)
        found.append(Place(name, device, asked, objectives, *_way(name, device, asked)))
    return found


def check_finalists(campaign: Campaign, devices: dict[str, Device]) -> None:
    """Raise `InvalidInput` where finalists are asked for and cannot be measured anywhere, or not with what is
    installed.
    """
    if not campaign.finalists.count:
        return
    found = places(Pricing.of(campaign, devices))
    if all(place.way is None for place in found):
        reasons = "; ".join(dict.fromkeys(place.why_not for place in found))
        reasons = reasons or f"no objective is one of {', '.join(ON_A_DEVICE)}"
        raise InvalidInput(
            f"finalists.count = {campaign.finalists.count}: none can be measured: {reasons}. Give an "
            f"objective the device {THIS_MACHINE} or a device file with a measure_command, or set "
            "finalists.count: 0"
        )
    check_places(found)


def check_places(found: list[Place]) -> None:
    """Raise `InvalidInput` where a runtime is not installed or a command cannot be filled in."""
    for place in found:
        if place.way == "here":
            runtime_of(place.device).require()
        elif place.way == "command":
            check_command(place.device)


def measure_finalists(loaded: LoadedRun, journal: Journal, look: Callable[[], None]) -> None:
    """Measure the best candidates of the last rung, except what the journal holds; `look` is called often.

    A measurement that fails is written down with its cause.
    """
    campaign, ledger, objectives = loaded.campaign, loaded.ledger, loaded.pricing.objectives
    if not campaign.finalists.count:
        return
    found = places(loaded.pricing)
    possible = [place for place in found if place.way is not None]
    chosen = ranked(ledger, objectives)[: campaign.finalists.count]
    finalists = Finalists(
        candidates=tuple(record.fingerprint for record in chosen),
        measurements=len(chosen) * len(possible),
        unmeasured={name: place.why_not for place in found if not place.way for name in place.objectives},
    )
    if finalists != ledger.finalists:
        ledger.apply(journal.write("finalists", **asdict(finalists)))
    for record in chosen:
        for place in possible:
            if not _known(record, place, ledger):
                look()
                event = _measure(record, place, loaded, look)
                ledger.apply(journal.write("measured", **event))
        folder = loaded.directory.candidate(record.fingerprint)
        write_json(folder / "result.json", asdict(candidate(record, ledger, objectives)))
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
    if device.measure_command:
        return "command", ""
    return None, f"{why_not}, and no measure_command is given"


def _elsewhere(name: str, device: Device) -> str | None:
    """Why a profile is not one of this machine under a runtime that measures here; None where it is."""
    found, machine = device.provenance, this_machine()
    if found is None:
        return f"{name} is not this machine"
    try:
        runtime = runtime_of(device)
    except InvalidInput as error:
        return str(error)
    if found.runtime != (cpu := f"{runtime.provenance}cpu"):
        if name == THIS_MACHINE:
            return None  # an accelerator, which only jax could name
        return f"{name} was measured with {found.runtime}, not {cpu}"
    if (found.processor, found.threads) != (machine.processor, threads := runtime.threads()):
        return (
            f"{name} was measured on {found.processor} with {found.threads} threads, and this machine is "
            f"{machine.processor} with {threads}"
        )
    return None


def _known(record: CandidateRecord, place: Place, ledger: Ledger) -> bool:
    answered = ledger.measured[record.fingerprint].keys() | ledger.measured_failures[record.fingerprint]
    return answered >= set(place.objectives)


def _measure(
    record: CandidateRecord, place: Place, loaded: LoadedRun, look: Callable[[], None]
) -> dict[str, Any]:
    """The event of a measurement, less its kind."""
    started, measurement, failure = time.monotonic(), None, None
    try:
        path = loaded.directory.candidate(record.fingerprint) / "target.arch.json"
        architecture = load_architecture(path)
        place = place.of(architecture)
        measurement = _figures(architecture, place, loaded.campaign.finalists.processes, look)
    except (InvalidInput, RuntimeError) as error:
        failure = str(error) or type(error).__name__
    return {
        "candidate": record.fingerprint,
        "device": place.name,
        "way": place.way,
        "context": place.workload.context,
        "batch": place.workload.batch,
        "dtype": place.workload.dtype,
        "weights": place.workload.weight_dtype,
        "cache": place.workload.cache_dtype,
        "objectives": list(place.objectives),
        "figures": measurement
        and {
            figure: {"p10": quantiles.p10, "median": quantiles.median, "p90": quantiles.p90}
            for figure, quantiles in measurement.figures.items()
        },
        "repeat_spread": measurement and measurement.repeat_spread,
        "stable": measurement and measurement.stable,
        "disturbed": measurement and measurement.disturbed,
        "seconds": round(time.monotonic() - started, 3),
        "failure": failure,
    }


def _figures(
    architecture: Architecture, place: Place, processes: int, look: Callable[[], None]
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
