"""The numbers of a device file, with their sources."""

from typing import Any

from archsearch.reporting import units

_FIGURES = {
    "peak_flops_per_s": ("peak", "FLOP/s"),
    "matvec_flops_per_s": ("matrix-vector rate", "FLOP/s"),
    "dram_bandwidth_bytes_per_s": ("memory bandwidth", "B/s"),
    "memory_bytes": ("memory", "bytes"),
    "cache_bytes": ("last-level cache", "bytes"),
    "power_w": ("power", "W"),
    "overhead_s": ("overhead of an operator", "s"),
}


def device_rows(profile: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Figure, value and source of each number of a device file."""
    rows = []
    for key, (words, unit) in _FIGURES.items():
        entry = profile.get(key)
        if not isinstance(entry, dict):
            continue
        for dtype, figure in [("", entry)] if "value" in entry else entry.items():
            number = float(figure["value"])
            text = units.rate(number, unit) if "/" in unit else units.quantity(number, unit)
            rows.append((f"{words}, {dtype}" if dtype else words, text, str(figure.get("source", ""))))
    return rows
