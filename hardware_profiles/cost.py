"""The cost model: latency and memory of an architecture on a device.

Latency is the sum over operators of `smooth_max(FLOPs / rate, bytes / rate) + overhead`, a roofline
(Williams et al., Communications of the ACM 52(4), 2009) whose ridge is rounded; see `roofline` for the rates
and for where the interval comes from. Sums over operators are not exact: what is finally selected should be
measured on the device.
"""

from typing import assert_never

from genomes import Architecture
from genomes.accounting import decode_flops_per_token, parameters, prefill_flops_per_token
from hardware_profiles import calibrated, roofline
from hardware_profiles.calibrated import Price
from hardware_profiles.cases import PHASES, Phase
from hardware_profiles.device import Device, Power
from hardware_profiles.work import activation_bytes, state_bytes, weight_and_state_bytes
from hardware_profiles.workload import Estimate, FigureName, Prediction, Workload

MEMORY_SLACK = 1.25
"""High end of peak memory: allocators round up and fragment, and runtimes keep buffers of their own. GMLake
(arXiv 2401.08156) wins back 15 % of a GPU's memory from fragmentation on average, 33 % at most."""


def predict(architecture: Architecture, device: Device, workload: Workload | None = None) -> Prediction:
    """Price an architecture on a device, by default at 1024 tokens, batch 1, float32.

    What the workload leaves open is stored as the architecture says, and the table of the logits as the
    device's runtime stores it.

    Raises `InvalidInput` where the device has no peak for the asked dtype, or its runtime does not run a
    block.
    """
    workload = _checked(architecture, device, workload or Workload())
    prefill, decode = (_latency(architecture, device, workload, phase) for phase in PHASES)
    memory = _peak_memory(architecture, device, workload)
    notes = tuple(dict.fromkeys((*prefill.notes, *decode.notes)))
    return Prediction(
        parameters=parameters(architecture),
        state_bytes=state_bytes(architecture, workload),
        prefill_flops_per_token=prefill_flops_per_token(architecture, workload.context),
        decode_flops_per_token=decode_flops_per_token(architecture, workload.context),
        prefill_latency_s=prefill.estimate,
        decode_latency_s=decode.estimate,
        peak_memory_bytes=memory,
        fits_in_memory=None if device.memory_bytes is None else memory.value <= device.memory_bytes.value,
        device=device.name,
        calibration=device.calibration,
        context=workload.context,
        batch=workload.batch,
        dtype=workload.dtype,
        weights=workload.weight_dtype,
        head=workload.head_dtype(architecture.width),
        cache=workload.cache_dtype,
        prefill_energy_j=_energy(prefill.estimate, device.power_w),
        decode_energy_j=_energy(decode.estimate, device.power_w),
        notes=notes,
    )


def price(architecture: Architecture, device: Device, workload: Workload, figure: FigureName) -> Estimate:
    """One figure of `predict`, without the others; raises as `predict` does.

    Figures of blocks are kept, so that an architecture made of blocks seen before is cheap to price.
    """
    workload = _checked(architecture, device, workload)
    match figure:
        case "prefill_latency_s":
            return _latency(architecture, device, workload, "prefill").estimate
        case "decode_latency_s":
            return _latency(architecture, device, workload, "decode").estimate
        case "peak_memory_bytes":
            return _peak_memory(architecture, device, workload)
        case _:
            assert_never(figure)


def _checked(architecture: Architecture, device: Device, workload: Workload) -> Workload:
    """The workload, stored as the architecture and the runtime say; raises `InvalidInput` without a price."""
    workload = calibrated.traits(device).shipped(workload.stored_as(architecture))
    calibrated.refuse_unmeasured(architecture, device)
    device.peak(workload.dtype)
    return workload


def _latency(architecture: Architecture, device: Device, workload: Workload, phase: Phase) -> Price:
    """By measured curves where the device has them, else by rooflines."""
    if calibrated.has_curves(device, workload):
        return calibrated.latency(architecture, device, workload, phase)
    notes = ("the curves are those of other dtypes: priced by the roofline",) if device.families else ()
    return Price(roofline.latency(architecture, device, workload, phase), notes)


def _energy(latency: Estimate, power_w: Power | None) -> Estimate | None:
    """As if the device drew its power figure all the time; a range of it widens the interval."""
    if power_w is None:
        return None
    low, high = power_w.low or power_w.value, power_w.high or power_w.value
    return Estimate(power_w.value * latency.value, low * latency.low, high * latency.high)


def _peak_memory(architecture: Architecture, device: Device, workload: Workload) -> Estimate:
    """Weights, state and activations; at least the first two, at most the sum with `MEMORY_SLACK`."""
    resident = weight_and_state_bytes(architecture, workload)
    if calibrated.has_curves(device, workload):
        working = calibrated.working_bytes(architecture, device, workload)
        return calibrated.memory(resident, working, device)
    peak = resident + activation_bytes(architecture, workload)
    return Estimate(value=peak, low=resident, high=MEMORY_SLACK * peak)
