"""Pricing by measured curves: the sum over blocks of what their families say, and the head.

A block whose operator was not measured is priced by the roofline, with a note, unless the runtime is one
that does not run it (`hardware_profiles.traits`). Programs use the same working memory for one block after
the other, so that it is that of the hungriest operators.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from genomes import Architecture, InvalidInput, Operator
from hardware_profiles.cases import HEAD, LATENCIES, Phase, Quantity
from hardware_profiles.curves import Family
from hardware_profiles.device import Device
from hardware_profiles.machine import this_machine
from hardware_profiles.roofline import lone_block_s
from hardware_profiles.terms import terms
from hardware_profiles.traits import Traits, traits_of
from hardware_profiles.work import REMEMBERED, distinct_blocks, weight_and_state_bytes
from hardware_profiles.workload import Estimate, FigureName, Workload

UNVALIDATED = (1 / 1.3, 1.3)
"""Factors of the low and the high end as long as no whole model was measured."""
MOSTLY = 0.8
"""Share of a stack in the cache from which it counts as decoding from there."""
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


def traits(device: Device) -> Traits:
    """Traits of the runtime that a device was measured with."""
    return traits_of(device.provenance.runtime if device.provenance else None)


def has_curves(device: Device, workload: Workload) -> bool:
    """Whether the device was measured at the workload's dtypes."""
    return bool(_families(device, workload.types))


def refuse_unmeasured(architecture: Architecture, device: Device) -> None:
    """Raise `InvalidInput` for a block that was not measured, where rooflines say nothing.

    llama.cpp and onnxruntime run the operators that they were calibrated with and no others.
    """
    if device.provenance is None or traits(device).rooflines:
        return
    measured = _operators(device)
    for index, block in enumerate(architecture.blocks):
        if block.kind != "skip" and block.name not in measured:
            raise InvalidInput(
                f"device {device.name}: blocks[{index}] ({block.name}) was not measured with "
                f"{device.provenance.runtime}; this profile has {', '.join(sorted(measured - {HEAD}))}"
            )


def latency(architecture: Architecture, device: Device, workload: Workload, phase: Phase) -> Price:
    """Seconds of a prompt or of a decoded token."""
    seconds, notes = 0.0, []
    width, vocab_size = architecture.width, architecture.vocab_size
    in_cache = 0.0
    if phase == "decode" and device.cache_bytes is not None:
        in_cache = held(weight_and_state_bytes(architecture, workload), device.cache_bytes.value)
    for block, count in _running(architecture, device, phase).items():
        step = _amount(device, phase, block, width, vocab_size, workload)
        if step is None:
            assert block is not None, "every calibration measures the head"
            seconds += count * lone_block_s(block, width, vocab_size, device, workload, phase)
            notes.append(f"{block.name} was not measured: priced by the roofline")
            continue
        seconds += count * step.value * (1 - in_cache * (1 - step.left_in_cache))
        notes += step.notes
    estimate = _estimate(seconds, device, LATENCIES[phase], beyond=bool(notes))
    return Price(estimate, tuple(dict.fromkeys(notes)))


def working_bytes(architecture: Architecture, device: Device, workload: Workload) -> float:
    """Bytes that programs need beside weights and state."""
    amounts: dict[str, float] = {}
    for block in _blocks(architecture):
        memory = _amount(device, "working", block, architecture.width, architecture.vocab_size, workload)
        if memory is not None:
            name = HEAD if block is None else block.name
            amounts[name] = max(amounts.get(name, 0.0), memory.value)
    if traits(device).head_stays:
        return amounts.pop(HEAD) + max(amounts.values(), default=0.0)
    return sum(sorted(amounts.values())[-2:])


def memory(resident: float, working: float, device: Device) -> Estimate:
    """Peak memory from weights and state, and what programs need beside them."""
    peak = _estimate(resident + working + device.process_bytes, device, "peak_memory_bytes")
    return Estimate(peak.value, max(peak.low, min(resident, peak.value)), peak.high)


@dataclass(frozen=True)
class _Amount:
    """What one block takes, by its family."""

    value: float
    """Seconds, or bytes."""
    left_in_cache: float
    """Share of a token's time that is left where nothing comes from memory."""
    notes: tuple[str, ...]
    """How the block lies outside of what was measured, in words."""


@lru_cache(maxsize=REMEMBERED)
def _amount(
    device: Device,
    quantity: Quantity,
    block: Operator | None,
    width: int,
    vocab_size: int,
    workload: Workload,
) -> _Amount | None:
    """None where the operator was not measured; block None is the head."""
    name = HEAD if block is None else block.name
    family = _families(device, workload.types).get((name, quantity))
    if family is None:
        return None
    return _Amount(
        family.amount(terms(quantity, block, width, vocab_size, workload), width),
        family.cached or 1.0,
        tuple(f"{name}: {text}" for text in family.beyond(block, width, workload)),
    )


@lru_cache
def _families(device: Device, types: tuple[str, str, str]) -> Mapping[tuple[str, Quantity], Family]:
    """Curves of a device at types of arithmetic, weights and states; the first of its file counts."""
    fitting = [family for family in device.families if family.types == types]
    return {(family.operator, family.quantity): family for family in reversed(fitting)}


@lru_cache
def _operators(device: Device) -> frozenset[str]:
    return frozenset(family.operator for family in device.families)


def _estimate(value: float, device: Device, figure: FigureName, *, beyond: bool = False) -> Estimate:
    """The interval of the device's validation, wider where a figure rests on what was not measured."""
    judged = device.validation and device.validation.errors_of(figure)
    low, high = (judged.low_factor, judged.high_factor) if judged else UNVALIDATED
    farther = BEYOND if beyond else 1.0
    return Estimate(value, value * min(low, 1.0) / farther, value * max(high, 1.0) * farther)


def _running(architecture: Architecture, device: Device, phase: Phase) -> Counter[Operator | None]:
    """The blocks that take time in a phase, with their number."""
    blocks, last = _blocks(architecture), architecture.blocks[-1]
    if phase == "prefill" and last.name in traits(device).last_token_only:
        blocks[last] -= 1
    return blocks


def _blocks(architecture: Architecture) -> Counter[Operator | None]:
    """Each distinct block that does something, with its number; None is the head."""
    blocks: Counter[Operator | None] = Counter(distinct_blocks(architecture))
    blocks[None] = 1
    return blocks
