"""Which job runs where and when: the same for all executors, however they come by their processes."""

import abc
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from archsearch.executors.base import Failure, Job, Outcome, WorkerSettings
from archsearch.executors.worker import Message
from genomes.errors import InvalidInput, refused

_FAILED_STARTS = 3
"""Number of workers in a row that die before they are ready; so many do not die by chance."""


class Process(Protocol):
    """A worker process as the driver sees it. Its first message says that it is ready."""

    def call(self, function: str, payload: dict[str, Any]) -> None:
        """Send it a job; a ConnectionError means that it was dead already."""

    def kill(self) -> None:
        """End it now, and all it started."""


P = TypeVar("P", bound=Process)


@dataclass
class _Slot(Generic[P]):
    process: P
    worker: str = ""
    startup_seconds: float = 0.0
    job: Job | None = None
    job_since: float = 0.0
    jobs_done: int = 0

    @property
    def idle(self) -> bool:
        return bool(self.worker) and self.job is None


class Pool(abc.ABC, Generic[P]):
    """An executor whose processes a subclass starts. Workers start when there are jobs for them, and stay."""

    def __init__(self, workers: int, settings: WorkerSettings):
        if workers < 1:
            raise refused("workers", workers, "1 or more")
        self._workers = workers
        self.settings = settings
        self._queue: deque[Job] = deque()
        self._done: deque[Outcome] = deque()
        self._slots: list[_Slot[P]] = []
        self._failed_starts = 0
        self._closed = False

    @abc.abstractmethod
    def _start(self) -> P:
        """Start a worker process, without waiting until it is ready."""

    @abc.abstractmethod
    def _wait(self, processes: Sequence[P], timeout: float | None) -> list[tuple[P, Message | Failure]]:
        """Wait for messages, or for processes that died (a Failure that says how). May return early."""

    @property
    def workers(self) -> int:
        """The most jobs that run at the same time."""
        return self._workers

    @property
    def place(self) -> str:
        """Where jobs run, in words; empty where that is this machine alone."""
        return ""

    def submit(self, job: Job) -> None:
        """Take a job, without waiting."""
        if self._closed:
            raise RuntimeError("this executor is closed")
        json.dumps(job.payload)  # raises here, where the mistake is, and not in a worker
        self._queue.append(job)
        self._dispatch()

    def next(self, timeout: float | None = None) -> Outcome | None:
        """Wait for any job to be done; None after `timeout` seconds, or at once when no job is left."""
        give_up = None if timeout is None else time.monotonic() + timeout
        while self._done or self._queue or any(slot.job for slot in self._slots):
            self._receive(self._pause(give_up))
            self._kill_late()
            self._dispatch()  # before the driver gets busy with the outcome
            if self._done:
                return self._done.popleft()
            if give_up is not None and time.monotonic() >= give_up:
                break
        return None

    def close(self) -> None:
        """Kill what runs, forget what waits. Closing twice is fine."""
        self._closed = True
        self._queue.clear()
        self._done.clear()
        while self._slots:
            self._slots.pop().process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _dispatch(self) -> None:
        for slot in [slot for slot in self._slots if slot.idle]:
            if not self._queue:
                return
            try:
                slot.process.call(self._queue[0].function, self._queue[0].payload)
            except ConnectionError:
                self._remove(slot)
                continue
            slot.job, slot.job_since = self._queue.popleft(), time.monotonic()
        starting = sum(not slot.worker for slot in self._slots)
        for _ in range(min(len(self._queue) - starting, self._workers - len(self._slots))):
            self._slots.append(_Slot(self._start()))

    def _pause(self, give_up: float | None) -> float | None:
        """How long to wait for messages at most."""
        if self._done:
            return 0.0
        moments = [] if give_up is None else [give_up]
        if self.settings.timeout_s is not None:
            moments += [slot.job_since + self.settings.timeout_s for slot in self._slots if slot.job]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _receive(self, pause: float | None) -> None:
        slots = {id(slot.process): slot for slot in self._slots}
        for process, message in self._wait([slot.process for slot in self._slots], pause):
            slot = slots[id(process)]
            if isinstance(message, Failure):
                self._remove(slot)
                if slot.job:
                    self._finish(slot, None, message, time.monotonic() - slot.job_since)
                elif not slot.worker:
                    self._start_failed(message)
            elif slot.job:
                failure = Failure(**message["failure"]) if "failure" in message else None
                self._finish(slot, message.get("result"), failure, message["seconds"])
                if slot.jobs_done >= self.settings.recycle_after:
                    self._remove(slot)
            elif "failure" in message:
                self._remove(slot)
                self.close()
                raise InvalidInput(f"workers cannot start: {message['failure']['message']}")
            else:
                slot.worker, slot.startup_seconds = message["worker"], message["startup_seconds"]
                self._failed_starts = 0

    def _start_failed(self, failure: Failure) -> None:
        self._failed_starts += 1
        if self._failed_starts >= _FAILED_STARTS:
            self.close()
            raise RuntimeError(
                f"{_FAILED_STARTS} workers in a row died while starting; the last: {failure.message}\n"
                + failure.detail
            )

    def _kill_late(self) -> None:
        limit = self.settings.timeout_s
        for slot in [slot for slot in self._slots if slot.job and limit is not None]:
            seconds = time.monotonic() - slot.job_since
            if limit is not None and seconds >= limit:
                self._remove(slot)
                failure = Failure("timeout", f"killed after {limit:g} s, the limit for one job")
                self._finish(slot, None, failure, seconds)

    def _finish(
        self, slot: _Slot[P], result: dict[str, Any] | None, failure: Failure | None, seconds: float
    ) -> None:
        assert slot.job is not None
        startup = slot.startup_seconds if slot.jobs_done == 0 else 0.0
        self._done.append(Outcome(slot.job.key, result, failure, slot.worker, seconds, startup))
        slot.job = None
        slot.jobs_done += 1

    def _remove(self, slot: _Slot[P]) -> None:
        self._slots.remove(slot)
        slot.process.kill()
