"""`doctor`: is everything here that a campaign needs?"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from rich.console import Console

from archsearch.campaign.directory import PACKAGES
from archsearch.executors import Job, WorkerSettings, make_executor
from hardware_profiles import this_machine
from hardware_profiles.measuring.this_machine import default_cache_dir

FREE_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, and what it is or what to do."""

    what: str
    well: bool
    text: str


def doctor(console: Console) -> bool:
    """Look at everything, print a line each; true where all is well."""
    findings = [_look(what, check) for what, check in CHECKS.items()]
    for finding in findings:
        mark = "[green]ok[/green] " if finding.well else "[red]bad[/red]"
        console.print(f"{mark} {finding.what}: ", end="", highlight=False)
        console.print(finding.text, highlight=False, markup=False, soft_wrap=True)
    return all(finding.well for finding in findings)


def _look(what: str, check: Callable[[], tuple[bool, str]]) -> Finding:
    try:
        return Finding(what, *check())
    except Exception as error:
        return Finding(what, False, f"{type(error).__name__}: {error}")


def _python() -> tuple[bool, str]:
    well = sys.version_info >= (3, 11)
    return well, f"{sys.version.split()[0]}" + ("" if well else "; install Python 3.11 or newer")


def _packages() -> tuple[bool, str]:
    return True, ", ".join(f"{name} {version(name)}" for name in PACKAGES)


def _machine() -> tuple[bool, str]:
    machine = this_machine()
    return True, f"{machine.processor}, {machine.cores} cores, {machine.memory_bytes / 2**30:.1f} GiB"


def _jax() -> tuple[bool, str]:
    code = "import jax; print(jax.default_backend(), jax.local_device_count())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        return False, done.stderr.strip().splitlines()[-1]
    backend, count = done.stdout.split()
    return True, f"backend {backend}, {count} device(s)"


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(Path.cwd()).free
    return free >= FREE_BYTES, f"{free / 2**30:.1f} GiB free here"


def _cache() -> tuple[bool, str]:
    directory = default_cache_dir()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        return True, f"{directory} can be written"


def _executor(name: Literal["local", "ray"]) -> Callable[[], tuple[bool, str]]:
    def check() -> tuple[bool, str]:
        job = Job("doctor", "archsearch.cli.doctor:answer", {"question": 41})
        with make_executor(name, 1, None, WorkerSettings()) as executor:
            executor.submit(job)
            outcome = executor.next(timeout=120)
        if outcome is None:
            return False, "no answer in 120 s"
        if outcome.failure is not None:
            return False, outcome.failure.message
        return outcome.result == {
            "answer": 42
        }, f"a worker answered after {outcome.startup_seconds:.1f} s of start-up"

    return check


def answer(payload: dict[str, int]) -> dict[str, int]:
    """What the doctor asks a worker to do."""
    import jax.numpy as jnp

    return {"answer": int(jnp.asarray(payload["question"]) + 1)}


CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "python": _python,
    "packages": _packages,
    "machine": _machine,
    "jax": _jax,
    "disk": _disk,
    "cache": _cache,
    "local workers": _executor("local"),
    "ray workers": _executor("ray"),
}
