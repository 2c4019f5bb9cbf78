"""What happens inside a worker process, whoever started it."""

import contextlib
import importlib
import json
import os
import random
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from archsearch.executors.base import FailureKind, MachineError, WorkerSettings
from genomes.errors import refused

Message = dict[str, Any]
"""What a worker sends, plain JSON:

- once, when it has started: `{"worker", "startup_seconds"}`
- for each job: `{"result", "seconds"}`
- instead of either: `{"failure": {"kind", "message", "detail"}, "seconds"}`
"""

_LONGEST_MESSAGE = 500

_GLIBC = {
    "glibc.malloc.hugetlb": 1,  # ask for huge pages
    "glibc.malloc.mmap_max": 0,  # large blocks come from the heap as well,
    "glibc.malloc.arena_max": 1,  # of which there is one,
    "glibc.malloc.trim_threshold": 1 << 30,  # and it keeps a gibibyte
}


def allocator() -> dict[str, str]:
    """What has glibc keep the memory that it was given back, in huge pages; elsewhere without effect.

    XLA frees the memory of a training program after each call, and glibc by default returns it to Linux:
    every step pays for its pages anew, and on a virtual machine whose host takes free memory away, twice.
    Must be set before a process starts; whoever has set one of these keeps his own.
    """
    own = os.environ.get("GLIBC_TUNABLES", "")
    taken = {setting.partition("=")[0] for setting in own.split(":")}
    wanted = [f"{name}={value}" for name, value in _GLIBC.items() if name not in taken]
    return {"GLIBC_TUNABLES": ":".join(filter(None, (own, *wanted)))}


def environment(settings: WorkerSettings) -> dict[str, str]:
    """The variables that must be set before numpy and jax are imported."""
    threads = str(settings.threads)
    # Listing the CPU as well lets code place host arrays. "gpu" stands for several names, of which jax
    # refuses those that it has no plug-in for, so jax chooses; `prepare` checks what it chose.
    platforms = {"cpu": "cpu", "gpu": ""}.get(settings.platform, f"{settings.platform},cpu")
    return {
        "JAX_PLATFORMS": platforms,
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # XLA's CPU client sizes its pool by these (two names, by version) before it asks for the CPUs.
        # --xla_cpu_multi_thread_eigen=false has no effect on it: a matmul loop still used 1.9 cores of 2.
        "NPROC": threads,
        "PJRT_NPROC": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "VECLIB_MAXIMUM_THREADS": threads,
        "RAYON_NUM_THREADS": threads,
        **allocator(),
    }


def prepare(settings: WorkerSettings) -> None:
    """Set this process up for jobs: environment, jax, its threads. Refuses any other platform than asked."""
    if "jax" in sys.modules:
        raise RuntimeError("jax was imported before the worker was prepared, so its settings are lost")
    os.environ.update(environment(settings))
    import jax

    with _few_cpus(settings.threads):
        try:
            backend = jax.default_backend()
        except RuntimeError as error:
            legal = f"a platform that jax can use here ({one_line(error)})"
            raise refused("platform", settings.platform, legal) from error
        wanted = "gpu" if settings.platform in ("cuda", "rocm") else settings.platform
        if backend != wanted:
            raise refused("platform", settings.platform, f"{backend}, the only platform that jax has here")
        jax.jit(lambda x: x + 1)(1.0).block_until_ready()


@contextlib.contextmanager
def _few_cpus(count: int) -> Iterator[None]:
    """Show this process only `count` CPUs, then all of them again.

    XLA's compiler has a thread pool of its own, as large as the CPUs that it sees at the first compilation
    (1.7 cores of 2 for one compiling worker; 1.1 this way). Pools keep their size, so afterwards the
    operating system may move the threads anywhere. Any CPUs will do: workers that start together spread.
    """
    if sys.platform != "linux":
        yield
        return
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, random.sample(sorted(every), min(count, len(every))))
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread.name), every)


def start(settings: WorkerSettings, requested_at: float) -> Message:
    """Prepare, and say who this is; `requested_at` is when the driver asked for a worker, by its clock.

    A process that waited to be used (Ray keeps some ready) has started up only since then.
    """
    try:
        prepare(settings)
    except Exception as error:
        return _failed(error)
    since = max(requested_at, psutil.Process().create_time())
    return {
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "startup_seconds": max(0.0, time.time() - since),
    }


def call(function: str, payload: dict[str, Any]) -> Message:
    """Call `"package.module:name"`; whatever goes wrong comes back as plain data too.

    The result makes the round through JSON here, so that all executors return the very same thing and
    the driver never has to unpickle (and import) anything.
    """
    started = time.perf_counter()
    try:
        result = json.loads(json.dumps(_resolve(function)(payload)))
        if not isinstance(result, dict):
            raise TypeError(f"{function} returned {type(result).__name__}; a job returns a dict")
        message: Message = {"result": result}
    except BaseException as error:  # sys.exit() in a job is a failure of that job as well
        message = _failed(error)
    return {**message, "seconds": time.perf_counter() - started}


def _resolve(function: str) -> Any:
    module, separator, name = function.partition(":")
    if not (module and separator and name):
        raise ValueError(f'a job names its function as "package.module:name", not {function!r}')
    return getattr(importlib.import_module(module), name)


def _failed(error: BaseException) -> Message:
    # XLA's status code for memory that could not be had, on every platform
    out_of_memory = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)
    kind: FailureKind = "error"
    if out_of_memory:
        kind = "out_of_memory"
    elif isinstance(error, MachineError | OSError):
        kind = "machine"
    detail = "".join(traceback.format_exception(error))
    return {"failure": {"kind": kind, "message": one_line(error), "detail": detail}}


def one_line(error: BaseException) -> str:
    """The type and the text of an exception on one line of bearable length."""
    line = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 3] + "..."
