"""From a device's figures to the rates that a runtime reaches, and to seconds.

A spec-only profile knows peaks, which no runtime reaches: its interval runs from the peaks themselves to
the fractions of a poor run, with typical fractions in between (`ACHIEVED`). A measured profile knows what
matrix products and streams reached, so only the spread of its repeats and the error of the model remain
(`MODEL_ERROR`). One fitted to published timings has fractions of its own, and for the deployment that they
are of, the spread of the models that it was not fitted to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf, log
from statistics import median

from genomes import Architecture, Operator
from hardware_profiles.cases import Phase
from hardware_profiles.device import Device
from hardware_profiles.efficiency import Efficiency
from hardware_profiles.work import (
    REMEMBERED,
    Work,
    block_work,
    distinct_blocks,
    embedding_work,
    head_work,
    in_order,
)
from hardware_profiles.workload import Estimate, Workload

RIDGE = 1.3
"""Time at the ridge, where compute and memory alone would take equally long, over that time. 1 would be
perfect overlap of loads and arithmetic and 2 none; a round figure nearer to overlap."""

EXPONENT = log(2) / log(RIDGE)
"""Exponent p of `(compute^p + memory^p)^(1/p)`, which gives `RIDGE` at the ridge; 2.64."""

MODEL_ERROR: dict[Phase, tuple[float, float]] = {"decode": (1.3, 1.3), "prefill": (1.2, 1.6)}
"""Factors, faster and slower, that a sum of rooflines at measured rates misses beside the spread of the
repeats: operators without a table of their own, fusion across operators, caches. Five runs of transformers
of 0.2 and 0.4 billion parameters, jax 0.10, float32, two busy x86 cores: decoding took 0.94 to 1.52 times
the value (median 1.19), a chunk of 512 tokens 1.01 to 1.57 times (1.32), its attention not being fused.
Models that have a table for each operator report 4 % for a whole language model and 11 % for a kernel
(LLMCompass, arXiv 2312.03134) and 9 % for serving (Vidur, arXiv 2405.05465); three numbers cannot claim
that."""


@dataclass(frozen=True)
class Achieved:
    """Fractions of the peaks, and the time of an operator beside its work, that a kind of device shows."""

    compute: float
    bandwidth: float
    overhead_s: float


TYPICAL: dict[str, Achieved] = {
    "cpu": Achieved(compute=0.5, bandwidth=0.55, overhead_s=5e-6),
    "gpu": Achieved(compute=0.5, bandwidth=0.7, overhead_s=15e-6),
    "npu": Achieved(compute=0.4, bandwidth=0.6, overhead_s=15e-6),
}
"""Bandwidth, CPU: decoding LFM2-1.2B and Llama-3.2-1B in llama.cpp on a Galaxy S25 (arXiv 2511.23404: 69.8
and 54.6 tokens/s at 1K, 0.70 and 0.80 GB a token in Q4_0) moves 49 and 44 GB/s of the 84.8 GB/s that
64 bits of LPDDR5X at 10.6 GT/s carry. Bandwidth and overhead, GPU: serving runtimes decode Llama-3.2-1B on
an H100 with at most half of its bandwidth, one fused kernel with 78 % (Spector et al., "Look Ma, No
Bubbles!", Hazy Research, 2025), so the other part is the launches of about a hundred kernels. Compute, GPU:
38-43 % over whole training runs (Llama 3, arXiv 2407.21783, table 4), 50-73 % in attention
(FlashAttention-2, arXiv 2307.08691). Overhead, CPU: the dispatch floor of a compiled jax program. Compute,
CPU, and NPU: round figures without a whole-model source, which is why their interval is the widest."""

PESSIMISTIC: dict[str, Achieved] = {
    "cpu": Achieved(compute=0.2, bandwidth=0.3, overhead_s=25e-6),
    "gpu": Achieved(compute=0.25, bandwidth=0.5, overhead_s=30e-6),
    "npu": Achieved(compute=0.1, bandwidth=0.3, overhead_s=60e-6),
}
"""GPU: the slower of the two serving runtimes above decodes 2.5 times slower than the fused kernel, a third
of the bandwidth; unfused attention runs at 25-40 % of the peak (arXiv 2307.08691). CPU: one core in place of
all does not saturate memory, and a hot phone lowers its clocks. Eager-mode frameworks can be slower still."""


@dataclass(frozen=True)
class Rates:
    """What an operator runs at."""

    flops_per_s: float
    bytes_per_s: float
    overhead_s: float
    exponent: float = EXPONENT
    context_flops_per_s: float | None = None
    """FLOP/s in what grows with the tokens seen, which is then a roofline of its own; None: as all else."""

    def seconds(
        self, flops: float, bytes_: float, context_flops: float = 0, context_bytes: float = 0
    ) -> float:
        """Time of one operator; `context_flops` and `context_bytes` are parts of the first two."""
        if self.context_flops_per_s is None or not context_flops:
            busy = p_norm(flops / self.flops_per_s, bytes_ / self.bytes_per_s, self.exponent)
            return busy + self.overhead_s
        rest, rest_bytes = flops - context_flops, bytes_ - context_bytes
        return (
            p_norm(rest / self.flops_per_s, rest_bytes / self.bytes_per_s, self.exponent)
            + p_norm(
                context_flops / self.context_flops_per_s, context_bytes / self.bytes_per_s, self.exponent
            )
            + self.overhead_s
        )

    def faster(self, factor: float) -> "Rates":
        """The rates that divide each time by a factor."""
        context = None if self.context_flops_per_s is None else self.context_flops_per_s * factor
        return Rates(
            self.flops_per_s * factor,
            self.bytes_per_s * factor,
            self.overhead_s / factor,
            self.exponent,
            context,
        )


def p_norm(a: float, b: float, exponent: float) -> float:
    """`(a^p + b^p)^(1/p)`, the maximum for an infinite exponent."""
    larger, smaller = max(a, b), min(a, b)
    if larger == 0 or exponent == inf:
        return larger
    return float(larger * (1 + (smaller / larger) ** exponent) ** (1 / exponent))


def rates(
    device: Device, dtype: str, phase: Phase, *, weights: str | None = None
) -> tuple[Rates, Rates, Rates]:
    """The rates that give the value, the low and the high end of a latency; `weights` are stored in `dtype`
    by default.

    Raises `InvalidInput` where the device has no peak for the dtype.
    """
    compute, bandwidth = device.peak(dtype), device.dram_bandwidth_bytes_per_s.value
    if phase == "decode":
        limits = (limit.value for name, limit in device.matvec_flops_per_s.items() if name == dtype)
        compute = min(compute, *limits, inf)
    overhead_s = None if device.overhead_s is None else device.overhead_s.value
    if device.provenance is not None:
        faster, slower = _spread(device, phase)
        floor = overhead_s or 0.0
        return (
            Rates(compute, bandwidth, floor),
            Rates(compute / faster, bandwidth / faster, 0.0),
            Rates(compute / slower, bandwidth / slower, 2 * floor),
        )
    typical, poor = TYPICAL[device.kind], PESSIMISTIC[device.kind]
    usual = typical.overhead_s if overhead_s is None else overhead_s
    value = Rates(compute * typical.compute, bandwidth * typical.bandwidth, usual)
    if (fitted := device.efficiency) is not None:
        value = fitted_rates(fitted, compute, bandwidth, usual)
        if (dtype, weights or dtype) == (fitted.dtype, fitted.weights):
            spread = fitted.prefill if phase == "prefill" else fitted.decode
            return value, value.faster(spread.faster), value.faster(1 / spread.slower)
        below = value.faster(poor.compute / typical.compute)  # as far as a poor run is below a typical one
        return value, Rates(compute, bandwidth, 0.0, exponent=inf), below
    return (
        value,
        Rates(compute, bandwidth, 0.0, exponent=inf),
        Rates(compute * poor.compute, bandwidth * poor.bandwidth, max(usual, poor.overhead_s)),
    )


def fitted_rates(fitted: Efficiency, compute: float, bandwidth: float, overhead_s: float) -> Rates:
    """The peaks times the fitted shares."""
    context = None if fitted.context is None else compute * fitted.context.value
    shares = fitted.compute.value, fitted.bandwidth.value
    return Rates(compute * shares[0], bandwidth * shares[1], overhead_s, context_flops_per_s=context)


def latency(architecture: Architecture, device: Device, workload: Workload, phase: Phase) -> Estimate:
    """Seconds of a prompt or of a decoded token: the sum over operators, one after the other."""
    blocks, sizes = distinct_blocks(architecture), (architecture.width, architecture.vocab_size)
    value, low, high = (_sum(blocks, *sizes, device, workload, phase, end) for end in range(3))
    return Estimate(value=value, low=min(low, value), high=max(high, value))


@lru_cache(maxsize=REMEMBERED)
def lone_block_s(
    block: Operator, width: int, vocab_size: int, device: Device, workload: Workload, phase: Phase
) -> float:
    """Seconds that a block, sharing nothing, adds to a model."""
    alone, empty = (
        _sum(blocks, width, vocab_size, device, workload, phase, 0) for blocks in ({block.alone: 1}, {})
    )
    return alone - empty


def seconds(work: Iterable[Work], at: Rates) -> float:
    """Time of all operators, one after the other."""
    return sum(w.count * at.seconds(w.flops, w.bytes, w.context_flops, w.context_bytes) for w in work)


def _sum(
    blocks: Mapping[Operator, int],
    width: int,
    vocab_size: int,
    device: Device,
    workload: Workload,
    phase: Phase,
    end: int,
) -> float:
    """Seconds at one of the three `rates`."""
    items = in_order(
        blocks,
        lambda block: _block_s(block, width, device, workload, phase)[end],
        _embedding_s(width, device, workload, phase)[end],
        _head_s(width, vocab_size, device, workload, phase)[end],
    )
    return sum(count * time for count, time in items)


@lru_cache(maxsize=REMEMBERED)
def _block_s(
    block: Operator, width: int, device: Device, workload: Workload, phase: Phase
) -> tuple[tuple[float, ...], ...]:
    """Seconds of a block at each of the three rates, chunk by chunk."""
    return _times(block_work(phase, block, width, workload), device, workload, phase)


@lru_cache
def _embedding_s(
    width: int, device: Device, workload: Workload, phase: Phase
) -> tuple[tuple[float, ...], ...]:
    return _times(embedding_work(phase, width, workload), device, workload, phase)


@lru_cache
def _head_s(
    width: int, vocab_size: int, device: Device, workload: Workload, phase: Phase
) -> tuple[float, ...]:
    times = _times((head_work(width, vocab_size, workload),), device, workload, phase)
    return tuple(time for (time,) in times)


def _times(
    work: tuple[Work, ...], device: Device, workload: Workload, phase: Phase
) -> tuple[tuple[float, ...], ...]:
    every = rates(device, workload.dtype, phase, weights=workload.weight_dtype)
    return tuple(tuple(seconds((item,), at) for item in work) for at in every)


def _spread(device: Device, phase: Phase) -> tuple[float, float]:
    """Factors on time of the low and the high end: the usual p10 and p90 of the rows, and the model's."""
    below, above = MODEL_ERROR[phase]
    rows = device.provenance.rows if device.provenance else ()
    rows = tuple(row for row in rows if row.probe != "dispatch")
    if not rows:
        return 1 / below, above
    faster = median(row.p10_s / row.median_s for row in rows)
    slower = median(row.p90_s / row.median_s for row in rows)
    return faster / below, slower * above
