"""What a process holds in memory, and what other programs take meanwhile; as the system tells it."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def trim() -> None:
    """Give freed memory back to the operating system, where glibc can."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """What this process holds now."""
    return int(psutil.Process().memory_info().rss)


def reset_peak() -> bool:
    """Set the peak of resident memory to what is resident now, where Linux can."""
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_bytes(reset: bool) -> int:
    """The most that was resident since `reset_peak` worked, else since the process began."""
    if reset:
        fields = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
        return 1024 * int(fields["VmHWM"].split()[0])
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def require_bytes(needed: int, available: int) -> None:
    """Raise `RuntimeError` where so much cannot be had."""
    if needed > available:
        raise RuntimeError(
            f"the model does not fit in memory: it needs {needed} bytes "
            f"({needed / 2**30:.2f} GiB), {available} ({available / 2**30:.2f} GiB) are available; "
            "lower context or batch, or use a narrower dtype"
        )


@contextlib.contextmanager
def other_load() -> Iterator[list[float]]:
    """The share of this machine's CPU time that other programs (and other guests) took meanwhile."""

    def spent() -> tuple[float, float, float]:
        times, own = psutil.cpu_times(), os.times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # On Linux the time of guests is counted in that of users too.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total, total - idle, own.user + own.system

    shares: list[float] = []
    before = spent()
    yield shares
    total, busy, own = (after - earlier for after, earlier in zip(spent(), before, strict=True))
    shares.append(max(0.0, (busy - own) / total) if total > 0 else 0.0)
