"""Jobs, outcomes and the one interface that every executor has."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from genomes.errors import refused

FailureKind = Literal["error", "crashed", "out_of_memory", "timeout", "machine"]
"""`machine`: what a job found on its machine, such as files that are gone, is not its fault."""


class MachineError(RuntimeError):
    """A worker's machine lacks what every job needs."""


@dataclass(frozen=True)
class Job:
    """One call of a top-level function, `"package.module:name"`, from a JSON-able dict to another."""

    key: str
    function: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why a job has no result: one readable line, and the traceback or last output for log files."""

    kind: FailureKind
    message: str
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a result or a failure, where, and how long it took.

    `startup_seconds` is what its worker spent from the birth of the process until it could take a job,
    charged to the worker's first outcome and 0 afterwards. `seconds` leaves it out.
    """

    key: str
    result: dict[str, Any] | None
    failure: Failure | None
    worker: str
    seconds: float
    startup_seconds: float


@dataclass(frozen=True)
class WorkerSettings:
    """How each worker process is set up."""

    threads: int = 1
    """CPU threads that XLA and the numeric libraries may use; part of what makes a result repeatable."""
    platform: str = "cpu"
    """What `jax.default_backend()` must be: a worker that gets anything else refuses to start."""
    recycle_after: int = 200
    """Jobs after which a process is replaced, because JAX never frees the programs it compiled."""
    timeout_s: float | None = None
    """A job that runs longer is killed; waiting for a worker does not count."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise refused("threads", self.threads, "1 or more")
        if self.recycle_after < 1:
            raise refused("recycle_after", self.recycle_after, "1 job or more")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise refused("timeout_s", self.timeout_s, "more than 0 seconds")


class Executor(Protocol):
    """Runs jobs in worker processes, one job at a time in each, started in the order of submission.

    An executor belongs to one thread. Work moves on inside `submit` and `next`: a driver that wants its
    workers busy and its timeouts kept calls `next` again soon.
    """

    @property
    def workers(self) -> int:
        """The most jobs that run at the same time."""

    @property
    def place(self) -> str:
        """Where jobs run, in words; empty where that is this machine alone."""

    def submit(self, job: Job) -> None:
        """Take a job, without waiting."""

    def next(self, timeout: float | None = None) -> Outcome | None:
        """Wait for any job to be done; None after `timeout` seconds, or at once when no job is left."""

    def close(self) -> None:
        """Kill what runs, forget what waits. Closing twice is fine."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def available_cpus() -> int:
    """How many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def import_paths() -> list[str]:
    """Where this process finds modules, so that its workers find the same ones."""
    return [path or str(Path.cwd()) for path in sys.path]
