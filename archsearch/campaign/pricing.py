"""What a campaign's objectives cost an architecture, which bounds reject it, and which differences count."""

import math
from dataclasses import dataclass, replace

from archsearch.campaign.file import Campaign
from archsearch.campaign.objectives import ON_A_DEVICE, QUALITY, Metric, Objective, broken_bound
from genomes import Architecture, InvalidInput, accounting
from hardware_profiles import Device, Estimate, Workload
from hardware_profiles.calibrated import has_curves
from hardware_profiles.cost import price
from hardware_profiles.work import state_bytes


def margin(metric: Metric, device: Device | None) -> float:
    """`Objective.error` of a metric priced on a device: what two independent errors explain.

    Half the log of the validation's interval is one error, two of them add up to the square root of two
    times that. Without a validation 0: then the interval says how far the device may be from its profile,
    which is the same for all candidates.
    """
    if device is None or device.validation is None or metric not in ON_A_DEVICE:
        return 0.0
    errors = getattr(device.validation, metric)
    return max(0.0, math.sqrt(2) * math.log(errors.high_factor / errors.low_factor) / 2)


@dataclass(frozen=True)
class Pricing:
    """The objectives of a campaign with the devices they name."""

    objectives: tuple[Objective, ...]
    devices: dict[str, Device]
    """By the name that the campaign uses."""

    @classmethod
    def of(cls, campaign: Campaign, devices: dict[str, Device]) -> "Pricing":
        """Objectives in the order of the campaign, with their errors, and with margins where it compares by
        intervals."""
        chosen = bool(campaign.space.cache)
        objectives = tuple(section.objective(campaign.references, chosen) for section in campaign.objectives)
        objectives = tuple(replace(o, error=margin(o.metric, devices.get(str(o.device)))) for o in objectives)
        if campaign.search.dominance == "intervals":
            objectives = tuple(replace(o, margin=o.error) for o in objectives)
        return cls(objectives, devices)

    def costs(self, architecture: Architecture) -> dict[str, Estimate]:
        """The price of a target architecture by each objective but quality, by full name.

        Raises `InvalidInput` where a device cannot do a dtype or its runtime does not run the architecture.
        """
        return {o.name: self._cost(o, architecture) for o in self.objectives if o.metric != QUALITY}

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
        remarks = []
        for o in self.objectives:
            asked = workload(o).stored_as(architecture)
            device = self.devices[o.device] if o.device is not None else None
            if device is not None and device.families and not has_curves(device, asked):
                remarks.append(
                    f"{o.device} has no curves for {asked.dtype} with weights {asked.weight_dtype} and "
                    f"cache {asked.cache_dtype}: candidates so stored are priced by the roofline"
                )
        return list(dict.fromkeys(remarks))

    def rejection(self, costs: dict[str, Estimate]) -> str | None:
        """Which bound the costs break, in words, or None."""
        return broken_bound(self.objectives, {name: cost.value for name, cost in costs.items()})

    def _cost(self, o: Objective, architecture: Architecture) -> Estimate:
        match o.metric:
            case "prefill_latency_s" | "decode_latency_s" | "peak_memory_bytes":
                return price(architecture, self.devices[str(o.device)], workload(o), o.metric)
            case "parameters":
                exact: float = accounting.parameters(architecture)
            case "state_bytes":
                exact = state_bytes(architecture, workload(o).stored_as(architecture))
            case "prefill_flops_per_token":
                exact = accounting.prefill_flops_per_token(architecture, o.context)
            case "decode_flops_per_token":
                exact = accounting.decode_flops_per_token(architecture, o.context)
            case "quality":
                raise InvalidInput("quality has no price; training tells it")
        return Estimate(float(exact), float(exact), float(exact))


def workload(o: Objective) -> Workload:
    """What an objective asks of its device; what it leaves open is stored as the candidate says."""
    return Workload(o.context, o.batch, o.dtype, weights=o.weights, cache=o.cache)
