"""Measuring on a device that is elsewhere, by the command that its file names.

The command may be anything that this machine can start: a script, `ssh board measure.py`, `adb shell ...`. It
is given the path of an `.arch.json` and prints a JSON object, last of all that it prints, with
`prefill_latency_s`, `decode_latency_s` and `peak_memory_bytes`, each `{"median", "p10", "p90"}` (see
`hardware_profiles.measuring.measure.measure`); whatever else it holds is kept.
"""

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from genomes import Architecture, InvalidInput
from hardware_profiles import Device, Workload
from hardware_profiles.measuring import process as fresh_process
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import FIGURES

PERCENTILES = ("p10", "median", "p90")
LARGEST = 1e30
"""No seconds and no bytes are more; also below what a float holds."""
FIELDS = ("arch", "context", "batch", "dtype", "weights", "cache")


def measure_on(device: Device, architecture: Architecture, workload: Workload) -> dict[str, Any]:
    """What the device's command says of an architecture, stored as it says where the workload leaves it open.

    Raises `InvalidInput` where the device names no command or one that cannot be filled in, `RuntimeError`
    where the command cannot be started, fails, takes longer than `measure_timeout_s`, or prints what cannot
    be true: figures that are missing, not numbers above zero, out of order, or a token faster than the device
    can read the weights from its memory.
    """
    if not device.measure_command:
        raise InvalidInput(
            f"device {device.name} has no measure_command; give one in its file, a list of a program and its "
            "arguments, {arch} among them"
        )
    workload = workload.stored_as(architecture)
    with tempfile.TemporaryDirectory(prefix="archsearch-") as folder:
        path = Path(folder) / "candidate.arch.json"
        path.write_text(architecture.to_json(), encoding="utf-8")
        values = {
            "arch": path,
            "context": workload.context,
            "batch": workload.batch,
            "dtype": workload.dtype,
            "weights": workload.weight_dtype,
            "cache": workload.cache_dtype,
        }
        said = _run(device, [_filled(device, part, values) for part in device.measure_command])
    found = _last_object(device, said)
    for figure in FIGURES:
        _check(device, figure, found.get(figure))
    _check_bandwidth(device, architecture, workload, found["decode_latency_s"]["median"])
    return found | {"device": device.name, "context": workload.context, "batch": workload.batch}


def check_command(device: Device) -> None:
    """Raise `InvalidInput` where the device's command cannot be filled in."""
    for part in device.measure_command:
        _filled(device, part, dict.fromkeys(FIELDS, ""))


def _filled(device: Device, part: str, values: dict[str, Any]) -> str:
    try:
        return part.format(**values)
    except (KeyError, IndexError, ValueError):
        legal = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise InvalidInput(
            f"device {device.name}: measure_command: {part!r}; legal in braces: {legal}; write {{{{ and }}}} "
            "for braces themselves"
        ) from None


def _run(device: Device, command: list[str]) -> str:
    """What it prints; it and all that it started are ended when it takes too long, or nobody waits."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise RuntimeError(f"device {device.name}: {command[0]}: {error.strerror or error}") from None
    with process:
        try:
            out, complaints = process.communicate(timeout=device.measure_timeout_s)
        except BaseException as error:
            fresh_process.end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise RuntimeError(
                f"device {device.name}: {command[0]} took longer than measure_timeout_s = "
                f"{device.measure_timeout_s:g}"
            ) from None
    if process.returncode:
        end = "\n".join(complaints.strip().splitlines()[-5:])
        raise RuntimeError(
            f"device {device.name}: {command[0]} failed with exit code {process.returncode}:\n{end}"
        )
    return out


def _last_object(device: Device, said: str) -> dict[str, Any]:
    """The JSON object that a text ends with, on one line or more."""
    lines = said.rstrip().splitlines()
    for first in range(len(lines) - 1, -1, -1):
        if lines[first].lstrip().startswith("{"):
            try:
                found = json.loads("\n".join(lines[first:]))
            except (ValueError, RecursionError):  # also a number of more digits than Python reads
                continue
            if isinstance(found, dict):
                return found
    end = lines[-1][:200] if lines else ""
    raise RuntimeError(f"device {device.name}: the command printed no JSON object at its end, but {end!r}")


def _check(device: Device, figure: str, found: object) -> None:
    wanted = f'expected {{"median", "p10", "p90"}} in {"bytes" if figure.endswith("_bytes") else "seconds"}'
    if not isinstance(found, dict) or not set(PERCENTILES) <= found.keys():
        raise RuntimeError(f"device {device.name}: {figure} = {found!r}; {wanted}")
    values = [found[name] for name in PERCENTILES]
    if not all(type(value) in (int, float) and 0 < value < LARGEST for value in values):
        raise RuntimeError(f"device {device.name}: {figure} = {found!r}; {wanted}, above zero")
    if values != sorted(values):
        raise RuntimeError(f"device {device.name}: {figure} = {found!r}; expected p10 <= median <= p90")


def _check_bandwidth(device: Device, architecture: Architecture, workload: Workload, seconds: float) -> None:
    """Weights that no cache holds are read once a token, and no runtime is above the peak."""
    cache = device.cache_bytes.value if device.cache_bytes else 0.0
    streamed = weight_and_state_bytes(architecture, replace(workload, context=1, batch=1)) - cache
    fastest = streamed / device.dram_bandwidth_bytes_per_s.value
    dense = all(block.name != "moe" for block in architecture.blocks)
    if dense and device.cache_bytes and seconds < fastest:
        raise RuntimeError(
            f"device {device.name}: decode_latency_s = {seconds:.3g} cannot be: reading "
            f"{streamed / 1e6:.0f} MB of weights alone takes {fastest:.3g} s at the device's bandwidth; does "
            f"the command run this model, in {workload.weight_dtype}?"
        )
