"""Fresh processes for what is measured: the driver itself stays free of jax.

Whatever ends the wait for one (an answer, Ctrl-C, a signal, a timeout), the process is ended with all that it
started, and what it left among the temporary files is removed: nothing computes on beside the next one. Where
the driver itself is killed, Linux ends the process (`hardware_profiles.timing.parent`).
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hardware_profiles.timing.parent import PARENT

WORKER = "hardware_profiles.timing.worker"
"""The program that measures models and cases; see there for its arguments."""
NOTHING: Mapping[str, str] = {}


def environment() -> dict[str, str]:
    """Environment in which a process finds this very `proxies`, before what the user's own path says."""
    spec = find_spec("proxies")
    packages = list(spec.submodule_search_locations or []) if spec else []
    roots = [str(Path(package).parent) for package in packages]
    inherited = os.environ.get("PYTHONPATH", "")
    return os.environ | {"PYTHONPATH": os.pathsep.join([*roots, *([inherited] if inherited else [])])}


@contextlib.contextmanager
def started(
    program: Sequence[str], variables: Mapping[str, str] = NOTHING, **streams: Any
) -> Iterator["subprocess.Popen[str]"]:
    """`python -m` with a module and its arguments, environment variables and streams; ended when the block is
    left."""
    with tempfile.TemporaryDirectory(prefix="archsearch-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *program],
            env={**environment(), "TMPDIR": folder, PARENT: str(os.getpid()), **variables},
            text=True,
            process_group=0,  # out of reach of the terminal's Ctrl-C, and ended as a whole
            **streams,
        )
        try:
            yield process
        finally:
            end(process)


def answer(
    program: Sequence[str], request: str, timeout_s: float, variables: Mapping[str, str] = NOTHING
) -> "subprocess.CompletedProcess[str]":
    """What a program says to a request on its stdin. Raises `subprocess.TimeoutExpired`."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with started(program, variables, **pipes) as process:
        out, complaints = process.communicate(request, timeout=timeout_s)
    return subprocess.CompletedProcess(process.args, process.returncode, out, complaints)


def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Kill the leader of a process group, and all that it started; wait until it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # of what was still to be written
                stream.close()
