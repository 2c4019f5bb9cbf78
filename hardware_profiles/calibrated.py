"""Pricing by measured curves: the sum over blocks of what their families say, and the head.

A block whose operator was not measured is priced by the roofline, and said so, unless the runtime is one
that does not run it. Working memory is that of the two hungriest operators: programs use the same buffers for
one block after the other, and XLA lays out those of unlike neighbours side by side.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from genomes import Architecture, InvalidInput, Operator
from hardware_profiles.cases import HEAD, Phase, Quantity
from hardware_profiles.curves import Family
from hardware_profiles.device import Device
from hardware_profiles.machine import this_machine
from hardware_profiles.terms import terms
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import Estimate, Workload

UNVALIDATED = (1 / 1.3, 1.3)
"""Factors of the low and the high end as long as no whole model was measured."""
MOSTLY = 0.8
"""Share of a stack in the cache, from which it is said to decode from there."""
BEYOND = 1.5
"""How much farther both ends lie where something was not measured."""


@dataclass(frozen=True)
class Price:
    """An estimate, and in words what it rests on beside measured curves."""

    estimate: Estimate
    notes: tuple[str, ...]


def held(model_bytes: float, cache_bytes: float | None) -> float:
    """The share of a model that the last-level cache still holds when the next token is decoded.

    Half of one as large as the cache, all of a far smaller one and nothing of a far larger one: a curve
    through measurements (`benchmarks/decode_from_cache.py`), not a model of a replacement policy.
    """
    return 1 / (1 + (model_bytes / cache_bytes) ** 2) if cache_bytes else 0.0


def lies_in_cache(architecture: Architecture, workload: Workload) -> bool:
    """Whether this machine's last-level cache holds most of the model from one token to the next."""
    return held(weight_and_state_bytes(architecture, workload), this_machine().cache_bytes) >= MOSTLY


def has_curves(device: Device, workload: Workload) -> bool:
    """Whether the device was measured at the workload's dtypes."""
    return any(_types(family) == workload.types for family in device.families)


def refuse_unmeasured(architecture: Architecture, device: Device) -> None:
    """Raise `InvalidInput` for a block that the device's runtime does not run, where rooflines say nothing.

    llama.cpp and onnxruntime run the operators that they were calibrated with and no others.
    """
    if device.provenance is None or _measured_with(device, "jax"):
        return
    measured = {family.operator for family in device.families}
    for index, block in enumerate(architecture.blocks):
        if block.kind != "skip" and block.name not in measured:
            raise InvalidInput(
                f"device {device.name}: blocks[{index}] ({block.name}) is not run by "
                f"{device.provenance.runtime}; this profile has {', '.join(sorted(measured - {HEAD}))}"
            )


def latency(
    architecture: Architecture,
    device: Device,
    workload: Workload,
    phase: Phase,
    roofline: Callable[[Operator], float],
) -> Price:
    """Seconds of a prompt or of a decoded token; `roofline` prices a block that has no family."""
    seconds, notes = 0.0, []
    in_cache = 0.0
    if phase == "decode" and device.cache_bytes is not None:
        in_cache = held(weight_and_state_bytes(architecture, workload), device.cache_bytes.value)
    blocks = _blocks(architecture)
    if (
        phase == "prefill"
        and _measured_with(device, "llama.cpp")
        and architecture.blocks[-1].name == "swiglu"
    ):
        blocks[architecture.blocks[-1]] -= 1  # which it runs for the last token only
    for block, count in blocks.items():
        family = _family(device, HEAD if block is None else block.name, phase, workload)
        if family is None:
            assert block is not None, "every calibration measures the head"
            seconds += count * roofline(block)
            notes.append(f"{block.name} was not measured: priced by the roofline")
            continue
        work = terms(phase, block, architecture.width, architecture.vocab_size, workload)
        own = family.amount(work, architecture.width)
        seconds += count * own * (1 - in_cache * (1 - (family.cached or 1.0)))
        outside = family.beyond(block, architecture.width, workload)
        notes += [f"{family.operator}: {text}" for text in outside]
    found = device.validation
    judged = found and (found.prefill_latency_s if phase == "prefill" else found.decode_latency_s)
    low, high = (judged.low_factor, judged.high_factor) if judged else UNVALIDATED
    return Price(_estimate(seconds, low, high, bool(notes)), tuple(dict.fromkeys(notes)))


def working_bytes(architecture: Architecture, device: Device, workload: Workload) -> float:
    """What programs need beside weights and state: under jax the two hungriest operators together; other
    runtimes keep what the head takes all the time."""
    amounts: dict[str, float] = {}
    for block in _blocks(architecture):
        name = HEAD if block is None else block.name
        if (family := _family(device, name, "working", workload)) is not None:
            work = terms("working", block, architecture.width, architecture.vocab_size, workload)
            amounts[name] = max(amounts.get(name, 0.0), family.amount(work, architecture.width))
    if not _measured_with(device, "jax"):
        return amounts.pop(HEAD) + max(amounts.values(), default=0.0)
    return sum(sorted(amounts.values())[-2:])


def memory(resident: float, working: float, device: Device) -> Estimate:
    """Peak memory from weights and state, and what programs need beside them."""
    judged = device.validation.peak_memory_bytes if device.validation else None
    low, high = (judged.low_factor, judged.high_factor) if judged else UNVALIDATED
    found = _estimate(resident + working + device.process_bytes, low, high, False)
    return Estimate(found.value, max(found.low, min(resident, found.value)), found.high)


def _measured_with(device: Device, runtime: str) -> bool:
    """By the runtime that its provenance begins with; jax where it was not measured."""
    return device.provenance.runtime.startswith(runtime) if device.provenance else runtime == "jax"


def _estimate(value: float, low: float, high: float, beyond: bool) -> Estimate:
    farther = BEYOND if beyond else 1.0
    return Estimate(value, value * min(low, 1.0) / farther, value * max(high, 1.0) * farther)


def _blocks(architecture: Architecture) -> Counter[Operator | None]:
    """Each distinct block that does something, with its number; None is the head."""
    blocks: Counter[Operator | None] = Counter(b for b in architecture.blocks if b.kind != "skip")
    blocks[None] = 1
    return blocks


def _family(device: Device, operator: str, quantity: Quantity, workload: Workload) -> Family | None:
    for family in device.families:
        if (family.operator, family.quantity) == (operator, quantity) and _types(family) == workload.types:
            return family
    return None


def _types(family: Family) -> tuple[str, str, str]:
    """Of arithmetic, weights and states."""
    return family.dtype, family.weights or family.dtype, family.cache or family.dtype
