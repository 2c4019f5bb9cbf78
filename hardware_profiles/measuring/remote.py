"""Measuring on a device that is elsewhere, by the command that its file names.

The command may be anything that this machine can start: a script, `ssh board measure.py`, `adb shell ...`. It
is given the path of an `.arch.json` and prints a JSON object, last of all that it prints, with
`prefill_latency_s`, `decode_latency_s` and `peak_memory_bytes`, each `{"median", "p10", "p90"}` (see
`hardware_profiles.measuring.measure.measure`); whatever else it holds is kept.
"""

import json
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from genomes import Architecture, InvalidInput
from genomes.errors import cut
from hardware_profiles.device import Device
from hardware_profiles.measuring import process as fresh_process
from hardware_profiles.measuring.measurement import MeasuredFigures, Quantiles
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import FIGURES, FigureName, Workload

PERCENTILES = ("p10", "median", "p90")
LARGEST = 1e30
"""No seconds and no bytes are more; also below what a float holds."""
LONGEST_ANSWER_BYTES = 2**20
"""Size of the end of what a command prints, in which its answer must lie."""
FIELDS = ("arch", "context", "batch", "dtype", "weights", "cache")
_BRACES = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_LINE_OF_OBJECT = re.compile(r"^[ \t]*(\{)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class RemoteMeasurement(MeasuredFigures):
    """A model measured by a device's command; `to_dict` is the JSON of `archsearch measure --device`."""

    device: str
    workload: Workload
    answer: Mapping[str, Any]
    """All that the command printed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        asked = {"context": self.workload.context, "batch": self.workload.batch}
        return {**self.answer, "device": self.device, **asked}


def measure_on(device: Device, architecture: Architecture, workload: Workload) -> RemoteMeasurement:
    """Measure an architecture by the device's command, stored as it says where the workload leaves it open.

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
        text = _run(device, _command(device, values))
    answer = _last_object(device, text)
    figures = {figure: _quantiles(device, figure, answer.get(figure)) for figure in FIGURES}
    _check_bandwidth(device, architecture, workload, figures["decode_latency_s"].median)
    spread = answer.get("repeat_spread")
    known = isinstance(spread, int | float) and not isinstance(spread, bool) and math.isfinite(spread)
    return RemoteMeasurement(
        prefill_latency_s=figures["prefill_latency_s"],
        decode_latency_s=figures["decode_latency_s"],
        peak_memory_bytes=figures["peak_memory_bytes"],
        repeat_spread=spread if known else None,
        stable=_flag(answer, "stable"),
        disturbed=_flag(answer, "disturbed"),
        device=device.name,
        workload=workload,
        answer=answer,
    )


def _flag(answer: Mapping[str, Any], name: str) -> bool | None:
    """What a command says of its measurement, where it says yes or no."""
    value = answer.get(name)
    return value if isinstance(value, bool) else None


def check_command(device: Device) -> None:
    """Raise `InvalidInput` where the device's command cannot be filled in, or is not told what to measure."""
    _command(device, dict.fromkeys(FIELDS, ""))


def _command(device: Device, values: Mapping[str, object]) -> list[str]:
    """The command with `values` in its braces. Raises `InvalidInput`."""
    legal = ", ".join(f"{{{name}}}" for name in FIELDS)
    used = set()

    def filled(place: re.Match[str]) -> str:
        if place[0] in ("{{", "}}"):
            return place[0][0]
        if place["name"] not in FIELDS:
            raise InvalidInput(
                f"device {device.name}: measure_command: {cut(repr(place.string))}; legal in braces: "
                f"{legal}; "
                "write {{ and }} for braces themselves"
            )
        used.add(place["name"])
        return str(values[place["name"]])

    command = [_BRACES.sub(filled, part) for part in device.measure_command]
    if device.measure_command and "arch" not in used:
        raise InvalidInput(
            f"device {device.name}: measure_command = {cut(str(list(device.measure_command)))}; legal: with "
            "{arch}, the file of the architecture to measure, in one of its arguments"
        )
    return command


def _run(device: Device, command: list[str]) -> str:
    """What it prints; it and all that it started are ended when it takes too long, or nobody waits."""
    # Files, not pipes: a child that the command leaves behind may hold a pipe open for as long as it likes.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints, start_new_session=True
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RuntimeError(f"device {device.name}: {command[0]}: {reason}") from None
        try:
            process.wait(timeout=device.measure_timeout_s)
        except BaseException as error:
            fresh_process.end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise RuntimeError(
                f"device {device.name}: {command[0]} took longer than measure_timeout_s = "
                f"{device.measure_timeout_s:g}"
            ) from None
        if process.returncode:
            end = "\n".join(_end(complaints).strip().splitlines()[-5:])
            raise RuntimeError(
                f"device {device.name}: {command[0]} failed with exit code {process.returncode}:\n{end}"
            )
        return _end(out)


def _end(file: IO[bytes]) -> str:
    """The text that a file ends with, all of it where it is short."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST_ANSWER_BYTES))
    return file.read(LONGEST_ANSWER_BYTES).decode("utf-8", "replace")


def _last_object(device: Device, text: str) -> dict[str, Any]:
    """The JSON object that a text ends with, on one line or more."""
    text = text.rstrip()
    decoder = json.JSONDecoder()
    for start in reversed([match.start(1) for match in _LINE_OF_OBJECT.finditer(text)]):
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):  # also a number of more digits than Python reads
            continue
        if end == len(text):
            return dict(value)
    last = text.splitlines()[-1][:200] if text else ""
    raise RuntimeError(f"device {device.name}: the command printed no JSON object at its end, but {last!r}")


def _quantiles(device: Device, figure: FigureName, value: object) -> Quantiles:
    """A figure that can be true. Raises `RuntimeError` for any other."""
    wanted = f'expected {{"median", "p10", "p90"}} in {"bytes" if figure.endswith("_bytes") else "seconds"}'
    if not isinstance(value, dict) or not set(PERCENTILES) <= value.keys():
        raise RuntimeError(f"device {device.name}: {figure} = {value!r}; {wanted}")
    rising = [value[name] for name in PERCENTILES]
    if not all(type(number) in (int, float) and 0 < number < LARGEST for number in rising):
        raise RuntimeError(f"device {device.name}: {figure} = {value!r}; {wanted}, above zero")
    if rising != sorted(rising):
        raise RuntimeError(f"device {device.name}: {figure} = {value!r}; expected p10 <= median <= p90")
    return Quantiles(p10=float(value["p10"]), median=float(value["median"]), p90=float(value["p90"]))


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
