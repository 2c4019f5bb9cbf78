"""Worker processes on a Ray cluster, or on a Ray started here. The only module that imports Ray."""

import contextlib
import importlib.util
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import ray

from archsearch.executors import worker
from archsearch.executors.base import Failure, WorkerSettings, available_cpus, import_paths
from archsearch.executors.pool import Pool
from archsearch.executors.worker import Message
from genomes.errors import InvalidInput, refused

_PACKAGES = ("genomes", "hardware_profiles", "proxies", "archsearch")
_OBJECT_STORE_BYTES = 100 * 2**20
"""Only JSON travels; Ray takes no less than 75 MB."""
_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
_CONNECT_SECONDS = 5.0
_KILLING_SECONDS = 5.0
_LONGEST_TEMPORARY_DIRECTORY = 40
"""Ray's sockets lie 65 characters deeper, and the path of a Unix socket ends at 103 (macOS) or 107."""


class RayExecutor(Pool["RayProcess"]):
    """Runs jobs in Ray actors, one a worker.

    Address None starts Ray on this machine; "auto" joins the cluster that this machine is part of;
    "ray://HOST:PORT" joins one from outside. A Ray that the program has already connected to is used as is.
    """

    def __init__(self, workers: int | None, address: str | None, settings: WorkerSettings):
        if address not in (None, "auto"):
            _check_listening(address)
        self._shut_down = not ray.is_initialized()
        self._joined = address
        self._own_token: dict[str, str] = {}
        if ray.is_initialized():
            pass
        elif address is None:
            self._own_token = _own_token()
            os.environ.update(self._own_token)  # as long as it runs: Ray looks again and again
            _start_ray(settings.threads * (workers or max(1, available_cpus() // settings.threads)))
        else:
            _join(address)
        try:
            room = _room(settings)
            super().__init__(room if workers is None else workers, settings)
        except InvalidInput:
            self._disconnect()
            raise

    @property
    def place(self) -> str:
        """Where jobs run, in words: the cluster that was joined; empty for a Ray that was started here."""
        if self._joined is None:
            return ""
        nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        cpus = ray.cluster_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
        free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
        address = ray.get_runtime_context().gcs_address
        count = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}"
        return f"the Ray cluster at {address} ({count}, {cpus:g} CPUs, {free:g} of them free)"

    def close(self) -> None:
        """Kill what runs, forget what waits, and leave Ray if this executor connected to it.

        Ray kills in the background, and a driver that disconnects at once may leave a worker alive. Those on
        this machine are waited for: what is measured next wants it for itself.
        """
        here = [pid for slot in self._slots if (pid := _pid_here(slot.worker)) is not None]
        super().close()
        _end(here)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._shut_down:
            self._shut_down = False
            ray.shutdown()
            for name in self._own_token:
                os.environ.pop(name, None)

    def _start(self) -> "RayProcess":
        return RayProcess(self.settings)

    def _wait(
        self, processes: Sequence["RayProcess"], timeout: float | None
    ) -> list[tuple["RayProcess", Message | Failure]]:
        pending = {process.reply: process for process in processes if process.reply is not None}
        if not pending:
            return []
        ray.wait(list(pending), num_returns=1, timeout=timeout)
        ready, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
        return [(pending[reply], pending[reply].receive()) for reply in ready]


class RayProcess:
    """The driver's end of one actor. `reply` is what it will send next, None while it has nothing to do."""

    def __init__(self, settings: WorkerSettings):
        self._actor: Any = _remote_actor.options(
            num_cpus=settings.threads, num_gpus=_gpus(settings), max_restarts=0, max_task_retries=0
        ).remote()
        self.reply = self._actor.start.remote(settings, time.time(), import_paths())

    def call(self, function: str, payload: dict[str, Any]) -> None:
        """Send a job."""
        self.reply = self._actor.call.remote(function, payload)

    def receive(self) -> Message | Failure:
        """What it sent, or how it died."""
        reply, self.reply = self.reply, None
        try:
            message: Message = ray.get(reply)
            return message
        except ray.exceptions.OutOfMemoryError as error:
            return Failure("out_of_memory", "killed by Ray, because the machine's memory ran out", str(error))
        except ray.exceptions.RayActorError as error:
            how = "died: killed (as the kernel does when memory runs out), aborted, or it exited by itself"
            return Failure("crashed", f"the worker process {how}", str(error))
        except ray.exceptions.RayError as error:
            return Failure("crashed", worker.one_line(error), str(error))

    def kill(self) -> None:
        """End the actor's process."""
        ray.kill(self._actor)


class _Actor:
    """The worker's end."""

    def start(self, settings: WorkerSettings, requested_at: float, driver_paths: list[str]) -> Message:
        """Prepare. Where the driver's directories exist here too, what it can import can be imported."""
        sys.path += [path for path in driver_paths if path not in sys.path and Path(path).exists()]
        return worker.start(settings, requested_at)

    def call(self, function: str, payload: dict[str, Any]) -> Message:
        """Run a job."""
        return worker.call(function, payload)


_remote_actor: Any = ray.remote(_Actor)


def _pid_here(name: str) -> int | None:
    """The process of a worker, as `worker.start` names it, where it is one of this machine."""
    host, _, pid = name.rpartition(":")
    return int(pid) if host == socket.gethostname() else None


def _end(pids: Sequence[int]) -> None:
    """Wait until Ray has killed these actors; what is left after `_KILLING_SECONDS` is killed here."""
    actors = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.name().startswith("ray::"):
                actors.append(process)
    _, left = psutil.wait_procs(actors, timeout=_KILLING_SECONDS)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=_KILLING_SECONDS)


def _gpus(settings: WorkerSettings) -> int:
    return int(settings.platform in ("gpu", "cuda", "rocm"))


def _room(settings: WorkerSettings) -> int:
    """How many workers the cluster has room for at once."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if _gpus(settings):
        room = sum(int(node.get("GPU", 0)) for node in nodes)
        lack = refused("platform", settings.platform, "cpu, since no machine of the Ray cluster has a GPU")
    else:
        room = sum(int(node.get("CPU", 0)) // settings.threads for node in nodes)
        most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
        lack = refused(
            "threads", settings.threads, f"1 to {most}, the most CPUs of one machine of the Ray cluster"
        )
    if room == 0:
        raise lack
    return room


def _start_ray(cpus: int) -> None:
    # Ray's workers must find this module before they can be told the rest of the driver's paths. Not all
    # of them here: Ray's own services see this too, and would import what shadows their libraries.
    paths = {str(Path(_directory(package)).parent): None for package in ("archsearch", "genomes")}
    paths |= {path: None for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    with _environment(PYTHONPATH=os.pathsep.join(paths), **worker.allocator()):
        ray.init(
            address="local",  # None would follow RAY_ADDRESS
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir="/tmp/ray" if len(tempfile.gettempdir()) > _LONGEST_TEMPORARY_DIRECTORY else None,
            **_QUIET,
        )


@cache
def _token() -> str:
    return secrets.token_hex(32)  # one a process: Ray keeps the first that it reads


def _own_token() -> dict[str, str]:
    """A token for the Ray that is started here, kept from the user's home, where clusters look for theirs."""
    if "RAY_AUTH_MODE" in os.environ:
        return {}
    return {"RAY_AUTH_TOKEN": _token()}


def _join(address: str) -> None:
    packages = [_directory(package) for package in _PACKAGES]
    try:
        with _environment():
            ray.init(
                address,
                runtime_env={"py_modules": packages, "excludes": ["**/__pycache__"]},
                **_QUIET,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        with contextlib.suppress(Exception):
            ray.shutdown()
        hint = "if that cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
        legal = f"a Ray cluster that can be joined ({worker.one_line(error)})"
        raise refused("address", address, legal, hint) from error


def _check_listening(address: str) -> None:
    """Ray's client itself would try for half a minute."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not (address.startswith("ray://") and host and port):
        raise refused("address", address, "auto, ray://HOST:PORT")
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError as error:
        legal = f"the address of a running cluster (nothing answers here: {worker.one_line(error)})"
        raise refused("address", address, legal, "start one by ray start --head") from error


def _directory(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed, so it cannot be sent to Ray's workers")
    return next(iter(spec.submodule_search_locations))


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Ray reads its settings from the environment, and the processes that it starts inherit them."""
    variables |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
