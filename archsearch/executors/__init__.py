"""Where jobs run: processes on this machine, or Ray. The driver itself never imports jax."""

import os
from pathlib import Path
from typing import Literal, assert_never

from archsearch.executors.base import Executor as Executor
from archsearch.executors.base import Failure as Failure
from archsearch.executors.base import FailureKind as FailureKind
from archsearch.executors.base import Job as Job
from archsearch.executors.base import Outcome as Outcome
from archsearch.executors.base import WorkerSettings as WorkerSettings
from genomes.errors import refused


def make_executor(
    name: Literal["ray", "local"], workers: int | None, address: str | None, settings: WorkerSettings
) -> Executor:
    """The executor of that name; `workers` None means as many as there is room for.

    `address` is for Ray: None starts it on this machine, "auto" or "ray://HOST:PORT" joins a cluster.
    """
    match name:
        case "local":
            if address is not None:
                raise refused("address", address, "none for the executor local", "choose the executor ray")
            from archsearch.executors.local import LocalExecutor

            return LocalExecutor(workers, settings)
        case "ray":
            if address is not None and _has_token():
                os.environ.setdefault("RAY_AUTH_MODE", "token")  # before Ray is imported, which reads it once
            from archsearch.executors.ray import RayExecutor

            return RayExecutor(workers, address, settings)
        case _:
            assert_never(name)


def _has_token() -> bool:
    """Whether there is a token for Ray: `ray start` asks for one where it lies in the home directory."""
    named = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or (Path.home() / ".ray" / "auth_token").is_file()
