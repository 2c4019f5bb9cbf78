"""Devices for the driver: the shipped catalogue, a user's own file, and the machine it runs on.

`this-machine` is measured once for each machine and jaxlib, in a fresh process (this module stays free of
jax), and kept as a device file in the user's cache.
"""

import hashlib
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genomes import InvalidInput
from genomes.files import write_whole
from hardware_profiles.catalogue import device, load_device
from hardware_profiles.device import Device
from hardware_profiles.fit import fit_device
from hardware_profiles.machine import this_machine
from hardware_profiles.measuring import process as fresh_process
from hardware_profiles.timing.memory import other_load

THIS_MACHINE = "this-machine"
CACHE_ENVIRONMENT = "ARCHSEARCH_CACHE_DIR"
QUIET_CORES = 0.5
"""Cores that other programs may take while this machine is measured."""
LOOK_S, LONGEST_WAIT_S = 0.5, 30.0
MEASURING_TIMEOUT_S = 300
"""Thirty times what the probes take on two idle cores."""

_PROBES = "proxies.runtime.probes"
_CACHE_FORMAT = 1
"""Raised whenever the probes or the fit change, so that older measurements are not used."""

Progress = Callable[[str], None]

_log = logging.getLogger(__name__)


def resolve_device(
    name_or_path: str | Path,
    cache_dir: Path | str | None = None,
    progress: Progress | None = None,
    again: bool = False,
) -> Device:
    """A device by catalogue name, by the path of its file, or `this-machine`.

    Measuring takes some ten seconds the first time, or where `again` asks for it; `progress` receives what
    happens, one line at a time. It waits for other programs, half a minute at most. What was measured beside
    them is measured again as soon as they are gone.
    `cache_dir` is by default `default_cache_dir()`. A damaged cache is measured again; one that cannot be
    written is reported and does no harm.

    Raises `InvalidInput` listing the known names or naming what is wrong in a file, `RuntimeError` where
    measuring fails.
    """
    if str(name_or_path) == THIS_MACHINE:
        return _cached_machine(Path(cache_dir) if cache_dir else default_cache_dir(), progress, again)
    return device(name_or_path, also_known=(THIS_MACHINE,))


def measure_device(name: str = THIS_MACHINE, progress: Progress | None = None) -> Device:
    """Measure this machine in a fresh process and fit a profile to it.

    Raises `RuntimeError` with the end of the process's errors where measuring fails.
    """
    before = _wait_for_quiet(progress)
    _tell(progress, "measuring this machine, some ten seconds")
    answer = _run_probes()
    foreign = max(before, foreign_cores())
    machine = this_machine()
    kind = answer["machine"]["kind"]
    provenance = dict(answer["provenance"]) | {"foreign_cores": round(foreign, 2)}
    if kind == "cpu":
        provenance["processor"] = machine.processor
    return fit_device(
        name,
        answer["rows"],
        provenance,
        kind=kind,
        description=f"{provenance['processor']}, {provenance['threads']} threads, measured with jax",
        memory_bytes=machine.memory_bytes if kind == "cpu" else answer["machine"]["memory_bytes"],
        cache_bytes=machine.cache_bytes if kind == "cpu" else None,
    )


def default_cache_dir() -> Path:
    """`ARCHSEARCH_CACHE_DIR`, else `archsearch` in `XDG_CACHE_HOME`, else in `~/.cache`."""
    if own := os.environ.get(CACHE_ENVIRONMENT):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "archsearch"


def foreign_cores() -> float:
    """How many cores other programs take just now, by a look of half a second."""
    with other_load() as others:
        time.sleep(LOOK_S)
    return others[0] * (os.cpu_count() or 1)


def _wait_for_quiet(progress: Progress | None) -> float:
    """Wait until other programs take less than half a core, `LONGEST_WAIT_S` at most; the cores they take."""
    until, waited = time.monotonic() + LONGEST_WAIT_S, False
    while (cores := foreign_cores()) > QUIET_CORES and time.monotonic() < until:
        if not waited:
            _tell(progress, f"waiting: other programs take {cores:.1f} cores, and would be measured too")
        waited = True
    return cores


def _cached_machine(cache_dir: Path, progress: Progress | None, again: bool = False) -> Device:
    path = cache_dir / f"{THIS_MACHINE}-{_machine_key()}.yaml"
    if path.exists() and not again:
        try:
            kept = load_device(path)
        except InvalidInput as error:
            _tell(progress, f"the cached measurement is damaged and will be replaced: {error}", warn=True)
        else:
            beside = kept.provenance.foreign_cores if kept.provenance is not None else None
            if beside is None or beside <= QUIET_CORES:
                return kept
            disturbed = f"{path} was measured while other programs took {beside:.1f} cores"
            if foreign_cores() > QUIET_CORES:
                _tell(progress, f"{disturbed}, as they do now; it is used all the same", warn=True)
                return kept
            _tell(progress, f"{disturbed}; it is measured again")
    measured = measure_device(progress=progress)
    if ((measured.provenance and measured.provenance.foreign_cores) or 0.0) > QUIET_CORES:
        _tell(
            progress,
            "other programs ran beside the measurement; it is made again when they are gone",
            warn=True,
        )
    try:
        write_whole(path, measured.to_yaml())
    except OSError as error:
        _tell(progress, f"cannot keep the measurement, next time it is made again: {error}", warn=True)
    return measured


def _machine_key() -> str:
    """16 hex digits of what a measurement depends on."""
    machine = this_machine()
    facts = {
        "format": _CACHE_FORMAT,
        "processor": machine.processor,
        "cores": machine.cores,
        "memory_gib": round(machine.memory_bytes / 2**30),
        "jaxlib": version("jaxlib"),
        "platforms": os.environ.get("JAX_PLATFORMS", ""),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _run_probes() -> dict[str, Any]:
    try:
        done = fresh_process.answer((_PROBES,), "", MEASURING_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"measuring this machine took longer than {MEASURING_TIMEOUT_S} s") from None
    if done.returncode:
        end = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(f"measuring this machine failed with exit code {done.returncode}:\n{end}")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise RuntimeError(f"measuring this machine gave no JSON: {error}") from None
    return answer


def _tell(progress: Progress | None, message: str, warn: bool = False) -> None:
    _log.log(logging.WARNING if warn else logging.INFO, message)
    if progress is not None:
        progress(message)
