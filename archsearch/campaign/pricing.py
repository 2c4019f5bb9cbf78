"""Objectives: full names, prices of an architecture, bounds, and which differences of prices count."""

import math
from dataclasses import dataclass, replace

from archsearch.campaign.file import Campaign
from archsearch.campaign.results import Direction, Objective
from archsearch.campaign.sections import ON_A_DEVICE, ObjectiveSection
from genomes import Architecture, InvalidInput, accounting
from hardware_profiles import Device, Estimate, Workload, predict
from hardware_profiles.calibrated import has_curves
from hardware_profiles.work import state_bytes

QUALITY = "quality"
_UNITS = {"_s": "s", "_bytes": "bytes"}


def objective(section: ObjectiveSection, references: list[str], chosen: bool = False) -> Objective:
    """The objective that a section of the campaign file means; `chosen`: candidates say what their state is
    stored in."""
    metric = section.metric
    words = metric.removesuffix("_s").removesuffix("_bytes").replace("_", " ")
    match metric:
        case "quality":
            label = f"quality against {', '.join(references)}"
        case "parameters":
            label = "parameters"
        case "state_bytes":
            stored = section.cache or ("as stored" if chosen else section.dtype)
            label = f"state at {section.context} tokens ({stored})"
        case "prefill_flops_per_token" | "decode_flops_per_token":
            label = f"{words} at {section.context} tokens"
        case _:
            label = f"{words} on {section.device} at {section.context} tokens"
            label += f", batch {section.batch}" if section.batch > 1 else ""
            types: list[str] = [section.dtype] if section.dtype != "float32" or section.stored else []
            types += [f"{key} {dtype}" for key, dtype in section.stored.items()]
            label += f" ({', '.join(types)})" if types else ""
    direction: Direction = section.direction or ("max" if metric == QUALITY else "min")
    unit = next((unit for suffix, unit in _UNITS.items() if metric.endswith(suffix)), "")
    return Objective(section.full_name, label, unit, direction, section.at_most, section.at_least)


def margin(metric: str, device: Device | None) -> float:
    """`Objective.margin` of a metric priced on a device: what two independent errors explain.

    Half the log of the validation's interval is one error, two of them add up to the square root of two
    times that. Without a validation 0: then the interval says how far the device may be from its profile,
    which is the same for all candidates.
    """
    if device is None or device.validation is None or metric not in ON_A_DEVICE:
        return 0.0
    found = getattr(device.validation, metric)
    return max(0.0, math.sqrt(2) * math.log(found.high_factor / found.low_factor) / 2)


@dataclass(frozen=True)
class Pricing:
    """The objectives of a campaign with the devices they name."""

    sections: tuple[ObjectiveSection, ...]
    objectives: tuple[Objective, ...]
    devices: dict[str, Device]

    @classmethod
    def of(cls, campaign: Campaign, devices: dict[str, Device]) -> "Pricing":
        """Objectives in the order of the campaign; raises `InvalidInput` where a device cannot do a dtype."""
        chosen = bool(campaign.space.cache)
        objectives = tuple(objective(section, campaign.references, chosen) for section in campaign.objectives)
        if campaign.search.dominance == "intervals":
            objectives = tuple(
                replace(o, margin=margin(section.metric, devices.get(str(section.device))))
                for section, o in zip(campaign.objectives, objectives, strict=True)
            )
        return cls(tuple(campaign.objectives), objectives, devices)

    def costs(self, architecture: Architecture) -> dict[str, Estimate]:
        """The price of a target architecture by each objective but quality."""
        return {
            o.name: self._cost(section, architecture)
            for section, o in zip(self.sections, self.objectives, strict=True)
            if section.metric != QUALITY
        }

    def judged(self, architecture: Architecture) -> tuple[dict[str, Estimate], str | None]:
        """The price of a target architecture, and why it is rejected, in words, or None.

        Without a price where a device's runtime does not run the architecture.
        """
        try:
            costs = self.costs(architecture)
        except InvalidInput as error:
            return {}, str(error)
        return costs, self.rejection(costs)

    def unmeasured_types(self, architecture: Architecture) -> list[str]:
        """Devices that were calibrated, but not for an architecture's types, so that rooflines price it."""
        found = []
        for section in self.sections:
            asked = workload(section).stored_as(architecture)
            device = self.devices[section.device] if section.device is not None else None
            if device is not None and device.families and not has_curves(device, asked):
                found.append(
                    f"{section.device} has no curves for {asked.dtype} with weights {asked.weight_dtype} and "
                    f"cache {asked.cache_dtype}: candidates so stored are priced by the roofline"
                )
        return list(dict.fromkeys(found))

    def rejection(self, costs: dict[str, Estimate]) -> str | None:
        """Which bound the costs break, in words, or None."""
        for o in self.objectives:
            if o.name not in costs:
                continue
            value = costs[o.name].value
            found = f"{o.name} = {value:.6g} {o.unit}".rstrip()
            if o.at_most is not None and value > o.at_most:
                return f"{found} is above at_most = {o.at_most:.6g}"
            if o.at_least is not None and value < o.at_least:
                return f"{found} is below at_least = {o.at_least:.6g}"
        return None

    def _cost(self, section: ObjectiveSection, architecture: Architecture) -> Estimate:
        if section.metric in ON_A_DEVICE:
            device = self.devices[str(section.device)]
            estimate = getattr(predict(architecture, device, workload(section)), section.metric)
            assert isinstance(estimate, Estimate)
            return estimate
        match section.metric:
            case "parameters":
                exact: float = accounting.parameters(architecture)
            case "state_bytes":
                exact = state_bytes(architecture, workload(section).stored_as(architecture))
            case "prefill_flops_per_token":
                exact = accounting.prefill_flops_per_token(architecture, section.context)
            case "decode_flops_per_token":
                exact = accounting.decode_flops_per_token(architecture, section.context)
            case _:
                raise InvalidInput(f"{section.metric} has no price")
        return Estimate(float(exact), float(exact), float(exact))


def workload(section: ObjectiveSection) -> Workload:
    """What an objective asks of its device; what it leaves open is stored as the candidate says."""
    return Workload(
        section.context, section.batch, section.dtype, weights=section.weights, cache=section.cache
    )
