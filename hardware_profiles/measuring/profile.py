"""A profile from rows that a runtime was measured by, without a probe of another one."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hardware_profiles.cases import HEAD, Case, Measured
from hardware_profiles.curves import fit_families
from hardware_profiles.device import Device, Figure, Peak, Provenance
from hardware_profiles.machine import this_machine
from hardware_profiles.measuring.rows import Origin
from hardware_profiles.terms import Terms, terms_of

LARGE = 8
"""Blocks that have less than this part of the largest's work do not count: small times are noise."""


def device(name: str, rows: Sequence[Measured], origin: Origin, load_average: float | None) -> Device:
    """A calibrated profile; its peak and its bandwidth are those of the fastest measured blocks.

    They are what rooflines and checks need, not limits of the machine: a float32 peak is what products with
    weights of the narrowest measured type reached.
    """
    machine = this_machine()
    blocks = [row for row in rows if row.case.operator != HEAD]

    def fastest(work: Callable[[Measured], float], seconds: Callable[[Measured], float]) -> tuple[float, str]:
        least = max(map(work, blocks)) / LARGE
        best = max((row for row in blocks if work(row) >= least), key=lambda row: work(row) / seconds(row))
        return work(best) / seconds(best), _in_words(best.case)

    peak, by = fastest(lambda row: _flops(row.case), lambda row: row.amount("prefill"))
    bandwidth, streamed_by = fastest(lambda row: _bytes(row.case), lambda row: row.amount("decode"))
    built = f"{origin.runtime.removesuffix('-cpu')} {origin.version}"
    return Device(
        name=name,
        description=f"{machine.processor}, {origin.threads} threads, measured with {built}",
        kind="cpu",
        calibration="calibrated",
        peak_flops_per_s={"float32": Peak(value=peak, source=f"{built}, fastest measured prompt: {by}")},
        dram_bandwidth_bytes_per_s=Figure(
            value=bandwidth, source=f"{built}, fastest measured token: {streamed_by}"
        ),
        memory_bytes=Figure(value=machine.memory_bytes, source="total memory, as the system tells it"),
        cache_bytes=None
        if machine.cache_bytes is None
        else Figure(value=machine.cache_bytes, source="last-level cache, as the system tells it"),
        provenance=Provenance(
            runtime=origin.runtime,
            runtime_version=origin.version,
            processor=machine.processor,
            threads=origin.threads,
            date=datetime.now(UTC).date(),
            load_average=load_average,
        ),
        families=fit_families(rows),
    )


def _in_words(case: Case) -> str:
    weights = case.weights or case.dtype
    return f"{case.operator} of width {case.width}, context {case.context}, weights in {weights}"


def _flops(case: Case) -> float:
    work: Terms = terms_of(case, "prefill")
    return work.get("dense_flops", 0.0) + work.get("context_flops", 0.0)


def _bytes(case: Case) -> float:
    work = terms_of(case, "decode")
    return work.get("weight_bytes", 0.0) + work.get("state_bytes", 0.0)
