"""Measuring probes: what this machine's matrix products and memory reach under jax.

`python -m proxies.runtime.probes` prints the measurement as JSON; it is meant to run in a fresh process, so
that no other program's threads or memory are in its way. Three kinds of probe, each an ahead-of-time compiled
program: `matmul` (square, and as tall as a prompt chunk), `matvec` (one row against a matrix beyond the
last-level cache, as decoding streams weights), `dispatch` (a program that does next to nothing).

Protocol, after MLPerf Inference (arXiv 1911.02549): warm up, then interleave the probes over several rounds
so that a change of clock or load touches all of them alike, and report the median with its 10th and 90th
percentile.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.typing import DTypeLike

from hardware_profiles.machine import this_machine
from hardware_profiles.timing.parent import end_with_parent

FORMAT = "archsearch/probes"
VERSION = 1

ROUNDS = 4
SECONDS_PER_PROBE = 0.5
"""Time for the repeats of one probe, all rounds together; nine probes stay under 10 s with compilation."""
FEWEST_REPEATS = 1
"""Repeats of a probe in each round, however slow it is."""
MOST_REPEATS = 50

_CPU_SHAPES = ((512, 512, 512), (1024, 1024, 1024), (512, 1024, 4096))
_GPU_SHAPES = ((2048, 2048, 2048), (4096, 4096, 4096), (512, 4096, 16384))
"""Rows, inner, columns; the last is a chunk of a prompt through a feed-forward projection."""
_SMALLEST_STREAM_BYTES = 128 << 20
_LARGEST_STREAM_BYTES = 1 << 30
_WARM_UP = {"dispatch": 64, "matmul": 3, "matvec": 2}


@dataclass
class _Probe:
    kind: str
    dtype: str
    shape: tuple[int, ...]
    flops: int
    bytes_: int
    step: Callable[[], None]
    seconds: list[float] = field(default_factory=list)

    def run(self, budget_s: float) -> None:
        """Repeat until the budget is spent, within the bounds on repeats."""
        begin = perf_counter()
        for repeat in range(MOST_REPEATS):
            start = perf_counter()
            if repeat >= FEWEST_REPEATS and start - begin > budget_s:
                return
            self.step()
            self.seconds.append(perf_counter() - start)

    def row(self) -> dict[str, Any]:
        p10, median, p90 = (float(x) for x in np.percentile(self.seconds, (10, 50, 90)))
        return {
            "probe": self.kind,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "flops": self.flops,
            "bytes": self.bytes_,
            "median_s": median,
            "p10_s": p10,
            "p90_s": p90,
            "repeats": len(self.seconds),
        }


def measure_machine() -> dict[str, Any]:
    """Measure jax's default device in a few seconds: plain JSON with `provenance`, `machine` and `rows`.

    A row holds `probe` (matmul, matvec, dispatch), `dtype`, `shape`, `flops`, `bytes` (read and written at
    least), `median_s`, `p10_s`, `p90_s` and `repeats`.
    """
    device = jax.devices()[0]
    shapes = _CPU_SHAPES if device.platform == "cpu" else _GPU_SHAPES
    probes = [_dispatch()]
    for dtype in (jnp.float32, jnp.bfloat16):
        probes += [_product("matmul", dtype, *shape) for shape in shapes]
        probes.append(_product("matvec", dtype, 1, *_stream_shape()))
    for _ in range(ROUNDS):
        for probe in probes:
            probe.run(SECONDS_PER_PROBE / ROUNDS)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    return {
        "format": FORMAT,
        "version": VERSION,
        "provenance": {
            "runtime": f"jax-{device.platform}",
            "runtime_version": version("jaxlib"),
            "processor": device.device_kind,
            "threads": threads,
            "date": datetime.now(UTC).date().isoformat(),
            "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "clock_hz": _clock_hz() if device.platform == "cpu" else None,
        },
        "machine": {
            "kind": "cpu" if device.platform == "cpu" else "gpu" if device.platform == "gpu" else "npu",
            "memory_bytes": memory,
        },
        "rows": [probe.row() for probe in probes],
    }


def _product(kind: str, dtype: DTypeLike, rows: int, inner: int, columns: int) -> _Probe:
    itemsize = jnp.dtype(dtype).itemsize
    x, y = _values((rows, inner), dtype), _values((inner, columns), dtype)
    compiled = jax.jit(jnp.matmul).lower(x, y).compile()

    def step() -> None:
        compiled(x, y).block_until_ready()

    return _warm(
        _Probe(
            kind=kind,
            dtype=jnp.dtype(dtype).name,
            shape=(rows, inner, columns),
            flops=2 * rows * inner * columns,
            bytes_=itemsize * (rows * inner + inner * columns + rows * columns),
            step=step,
        )
    )


def _dispatch() -> _Probe:
    holder = [jnp.zeros(8, jnp.float32)]
    compiled = jax.jit(lambda x: x + 1, donate_argnums=0).lower(holder[0]).compile()

    def step() -> None:
        holder[0] = compiled(holder[0])  # donated: the old buffer is gone
        holder[0].block_until_ready()

    return _warm(_Probe("dispatch", "float32", (8,), flops=8, bytes_=64, step=step))


def _warm(probe: _Probe) -> _Probe:
    for _ in range(_WARM_UP[probe.kind]):
        probe.step()
    return probe


def _values(shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """Values in [-1, 1] that differ, made on the device: constants would flatter some hardware."""
    return jnp.sin(jnp.arange(shape[0] * shape[1], dtype=jnp.float32)).reshape(shape).astype(dtype)


def _stream_shape() -> tuple[int, int]:
    """A square matrix of four times the last-level cache in float32, twice in bfloat16, within bounds."""
    wanted = min(max(4 * (this_machine().cache_bytes or 0), _SMALLEST_STREAM_BYTES), _LARGEST_STREAM_BYTES)
    side = int((wanted / 4) ** 0.5)
    side = -(-side // 256) * 256
    return side, side


def _clock_hz() -> float | None:
    """The processor's clock, where the operating system tells it."""
    clock = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return clock.current * 1e6 if clock is not None and clock.current > 0 else None


if __name__ == "__main__":
    end_with_parent()
    json.dump(measure_machine(), sys.stdout)
    sys.stdout.write("\n")
