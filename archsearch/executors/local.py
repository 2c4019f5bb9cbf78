"""Worker processes on this machine, without Ray.

Not `pebble` nor `concurrent.futures`: there, a worker that dies between jobs or while starting breaks the
whole pool, and the reason is lost. Not `multiprocessing` either: its children import the user's main
script again. A worker is a fresh interpreter on the other end of a socket, and that socket is all there is:
when it closes, the worker ends, however the driver came to its end.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

from archsearch.executors import worker
from archsearch.executors.base import Failure, WorkerSettings, available_cpus, import_paths
from archsearch.executors.pool import Pool
from archsearch.executors.worker import Message

_LAST_OUTPUT_BYTES = 4000


class LocalExecutor(Pool["LocalProcess"]):
    """Runs jobs in processes on this machine."""

    def __init__(self, workers: int | None, settings: WorkerSettings):
        default = available_cpus() // settings.threads if settings.platform == "cpu" else 1
        super().__init__(max(1, default) if workers is None else workers, settings)

    def _start(self) -> "LocalProcess":
        return LocalProcess(self.settings)

    def _wait(
        self, processes: Sequence["LocalProcess"], timeout: float | None
    ) -> list[tuple["LocalProcess", Message | Failure]]:
        # Not for longer than a second: what a job forked may keep the socket of a dead worker open.
        ready = wait(
            [process.connection for process in processes], 1.0 if timeout is None else min(timeout, 1.0)
        )
        messages = [(process, process.receive(process.connection in ready)) for process in processes]
        return [(process, message) for process, message in messages if message is not None]


class LocalProcess:
    """The driver's end of one worker process."""

    def __init__(self, settings: WorkerSettings):
        self.connection, theirs = Pipe()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (kill closes it)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({theirs.fileno()})"],
                env={
                    **os.environ,
                    **worker.environment(settings),
                    "PYTHONPATH": os.pathsep.join(import_paths()),
                },
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                process_group=0,  # out of reach of the terminal's Ctrl-C, and killed as a whole
            )
        with contextlib.suppress(ConnectionError):  # dead already: `receive` says so
            self._send({"settings": asdict(settings), "requested_at": time.time()})

    def call(self, function: str, payload: dict[str, Any]) -> None:
        """Send a job."""
        self._send({"function": function, "payload": payload})

    def receive(self, ready: bool) -> Message | Failure | None:
        """The next message, if there is one, or how the process died, if it did."""
        try:
            if ready:
                message: Message = json.loads(self.connection.recv_bytes())
                return message
            if self._process.poll() is None or self.connection.poll():
                return None
        except (EOFError, OSError):
            pass
        return self._death()

    def kill(self) -> None:
        """End the process and all that it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.connection.close()
        self._output.close()

    def _send(self, message: Message) -> None:
        self.connection.send_bytes(json.dumps(message).encode())

    def _death(self) -> Failure:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        match self._process.returncode:
            case None:
                how = "closed its connection"
            case code if code >= 0:
                how = f"exited with code {code}"
            case code if -code == signal.SIGKILL:
                how = "was killed by SIGKILL, as the kernel does when memory runs out"
            case code:
                how = f"was killed by {signal.Signals(-code).name}"
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - _LAST_OUTPUT_BYTES))
        detail = self._output.read().decode(errors="replace")
        return Failure("crashed", f"the worker process {how}", detail)


def serve(descriptor: int) -> None:
    """Be a worker: the main thread runs jobs, another one listens and ends the process with its driver."""
    os.set_inheritable(descriptor, False)
    with contextlib.suppress(
        OSError
    ):  # Linux only: when memory runs out, let this process go, not the driver
        Path("/proc/self/oom_score_adj").write_text("500")
    connection: Connection[Any, Any] = Connection(descriptor)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                inbox.put(connection.recv_bytes())
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=listen, daemon=True).start()
    first = json.loads(inbox.get())
    message = worker.start(WorkerSettings(**first["settings"]), first["requested_at"])
    while True:
        connection.send_bytes(json.dumps(message).encode())
        job = json.loads(inbox.get())
        message = worker.call(job["function"], job["payload"])
