"""What this machine is, as its operating system tells it."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Machine:
    """The facts that decide how fast a program runs here; None where the system does not tell."""

    processor: str
    cores: int
    """Cores that this process may use."""
    memory_bytes: int
    cache_bytes: int | None
    """Largest cache that a core sees."""


def this_machine() -> Machine:
    """The machine that this process runs on."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        cache_bytes=_cache_bytes(),
    )


def _processor() -> str:
    """Model, and on x86 family and stepping too: virtual machines shorten the name to `AMD EPYC`."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    fields = dict(re.findall(r"^([\w ]+?)\s*:\s*(.+)$", text, re.MULTILINE))
    name = fields.get("model name") or platform.processor() or platform.machine() or "unknown"
    if "cpu family" in fields and "model" in fields:
        return f"{name} (family {fields['cpu family']}, model {fields['model']})"
    return name


def _cache_bytes() -> int | None:
    try:
        sizes = [path.read_text().strip() for path in _CACHES.glob("index*/size")]
        return max((int(size[:-1]) * _UNITS[size[-1]] for size in sizes), default=None)
    except (OSError, ValueError, KeyError, IndexError):
        return None
