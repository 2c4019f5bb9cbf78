"""The cost model: latency and memory of an architecture on a device.

Latency is the sum over operators of `smooth_max(FLOPs / rate, bytes / rate) + overhead`, a roofline
(Williams et al., Communications of the ACM 52(4), 2009) whose ridge is rounded; see `roofline` for the rates
and for where the interval comes from. Sums over operators are not exact: what is finally selected should be
measured on the device.
"""

from collections.abc import Iterable

from genomes import Architecture
from genomes.accounting import decode_flops_per_token, parameters, prefill_flops_per_token, state_bytes
from hardware_profiles.device import Device
from hardware_profiles.roofline import Rates, rates
from hardware_profiles.work import Work, activation_bytes, decode_work, prefill_work, weight_and_state_bytes
from hardware_profiles.workload import Estimate, Prediction, Workload

MEMORY_SLACK = 1.25
"""High end of peak memory: allocators round up and fragment, and runtimes keep buffers of their own. GMLake
(arXiv 2401.08156) wins back 15 % of a GPU's memory from fragmentation on average, 33 % at most."""


def predict(architecture: Architecture, device: Device, workload: Workload | None = None) -> Prediction:
    """Price an architecture on a device, by default at 1024 tokens, batch 1, float32.

    Raises `InvalidInput` where the device has no peak for the asked dtype.
    """
    workload = workload or Workload()
    memory = _peak_memory(architecture, workload)
    return Prediction(
        parameters=parameters(architecture),
        state_bytes=state_bytes(architecture, workload.context, workload.bytes_per_element, workload.batch),
        prefill_flops_per_token=prefill_flops_per_token(architecture, workload.context),
        decode_flops_per_token=decode_flops_per_token(architecture, workload.context),
        prefill_latency_s=_latency(
            prefill_work(architecture, workload), rates(device, workload.dtype, "prefill")
        ),
        decode_latency_s=_latency(
            decode_work(architecture, workload), rates(device, workload.dtype, "decode")
        ),
        peak_memory_bytes=memory,
        fits_in_memory=None if device.memory_bytes is None else memory.value <= device.memory_bytes.value,
        device=device.name,
        calibration=device.calibration,
        context=workload.context,
        batch=workload.batch,
        dtype=workload.dtype,
    )


def _latency(work: Iterable[Work], at: tuple[Rates, Rates, Rates]) -> Estimate:
    items = list(work)
    value, low, high = (sum(w.count * r.seconds(w.flops, w.bytes) for w in items) for r in at)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _peak_memory(architecture: Architecture, workload: Workload) -> Estimate:
    """Weights, state and activations; at least the first two, at most the sum with `MEMORY_SLACK`."""
    resident = weight_and_state_bytes(architecture, workload)
    peak = resident + activation_bytes(architecture, workload)
    return Estimate(value=peak, low=resident, high=MEMORY_SLACK * peak)
