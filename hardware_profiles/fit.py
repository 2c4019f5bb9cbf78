"""A device profile from measured rows."""

from collections.abc import Iterable, Mapping
from math import inf
from statistics import median
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from genomes import InvalidInput
from genomes.errors import describe
from hardware_profiles.device import Device, Figure, Overhead, Peak, ProbeRow, Provenance
from hardware_profiles.roofline import EXPONENT

STREAMING = 0.7
"""A matrix-vector product that moves less than this share of the best bandwidth is not bound by memory."""

_ROWS: TypeAdapter[tuple[ProbeRow, ...]] = TypeAdapter(tuple[ProbeRow, ...])


def fit_device(
    name: str,
    rows: Iterable[ProbeRow | Mapping[str, Any]],
    provenance: Provenance | Mapping[str, Any],
    *,
    kind: Literal["cpu", "gpu", "npu"] = "cpu",
    description: str = "",
    memory_bytes: float | None = None,
    cache_bytes: float | None = None,
) -> Device:
    """The device whose roofline, as the cost model computes it, gives back the medians of the rows.

    Bandwidth: the best of the `matvec` rows, which must stream from beyond the last-level cache. Peak of a
    dtype: the median over its `matmul` rows. Overhead: the median of the `dispatch` rows, null without one.
    Where a dtype's matrix-vector product is bound by something else than memory (XLA on CPUs widens bfloat16
    element by element), its rate is kept apart in `matvec_flops_per_s`.

    Raises `InvalidInput` naming what is wrong in the rows or the provenance, or which row is missing.
    """
    measured = _rows(name, rows)
    overhead = _overhead(measured)
    floor = overhead.value if overhead else 0.0
    streams = [row for row in measured if row.probe == "matvec"]
    if not streams:
        raise InvalidInput(f"device {name}: no matvec row, so no bandwidth; expected at least one")
    best = max(streams, key=lambda row: row.bytes / _busy(row, floor))
    bandwidth = best.bytes / _busy(best, floor)
    peaks = {dtype: _peak(measured, dtype, bandwidth, floor) for dtype in _dtypes(measured)}
    if not any(peaks.values()):
        raise InvalidInput(f"device {name}: no matmul row that compute bounds, so no peak_flops_per_s")
    slow = (row for row in streams if row.bytes / _busy(row, floor) < STREAMING * bandwidth)
    fields = {
        "name": name,
        "description": description,
        "kind": kind,
        "calibration": "measured",
        "peak_flops_per_s": {dtype: peak for dtype, peak in peaks.items() if peak},
        "matvec_flops_per_s": {
            row.dtype: Peak(value=_compute_rate(row, bandwidth, floor), source=f"measured: matvec {_of(row)}")
            for row in slow
        },
        "dram_bandwidth_bytes_per_s": Figure(value=bandwidth, source=f"measured: matvec {_of(best)}"),
        "memory_bytes": _reported(memory_bytes),
        "cache_bytes": _reported(cache_bytes),
        "overhead_s": overhead,
        "provenance": {**dict(provenance), "rows": measured},
    }
    try:
        return Device.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(f"device {name}: {describe(error)}") from None


def _rows(name: str, rows: Iterable[ProbeRow | Mapping[str, Any]]) -> tuple[ProbeRow, ...]:
    try:
        return _ROWS.validate_python(tuple(rows))
    except ValidationError as error:
        raise InvalidInput(f"device {name}: rows: {describe(error)}") from None


def _dtypes(rows: tuple[ProbeRow, ...]) -> list[str]:
    return list(dict.fromkeys(row.dtype for row in rows if row.probe == "matmul"))


def _peak(rows: tuple[ProbeRow, ...], dtype: str, bandwidth: float, floor: float) -> Peak | None:
    products = [row for row in rows if row.probe == "matmul" and row.dtype == dtype]
    compute_rates = [rate for row in products if (rate := _compute_rate(row, bandwidth, floor)) < inf]
    if not compute_rates:
        return None
    return Peak(value=median(compute_rates), source=f"measured: median of {len(compute_rates)} matmul shapes")


def _compute_rate(row: ProbeRow, bandwidth: float, floor: float) -> float:
    """FLOP/s that with this bandwidth and overhead gives the row's median; inf where memory explains it."""
    busy, memory = _busy(row, floor), row.bytes / bandwidth
    if memory >= busy:
        return inf
    return float(row.flops / (busy**EXPONENT - memory**EXPONENT) ** (1 / EXPONENT))


def _busy(row: ProbeRow, floor: float) -> float:
    """Median without the overhead; a row that is all overhead keeps a tenth of its time."""
    return max(row.median_s - floor, 0.1 * row.median_s)


def _overhead(rows: tuple[ProbeRow, ...]) -> Overhead | None:
    times_s = [row.median_s for row in rows if row.probe == "dispatch"]
    return Overhead(value=median(times_s), source="measured: empty program") if times_s else None


def _of(row: ProbeRow) -> str:
    return f"{'x'.join(map(str, row.shape))} {row.dtype}"


def _reported(value: float | None) -> Figure | None:
    return None if value is None else Figure(value=value, source="reported by the system")
