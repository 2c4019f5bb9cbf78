"""Boards that answer, lie or hang: devices whose `measure_command` is a script, and a campaign on them."""

import sys
from pathlib import Path
from typing import Any

from archsearch.campaign.journal import Event
from archsearch.launch import Workers
from hardware_profiles import device, read_device, this_machine
from support import campaigns, llama_cpp_cases

ONE = Workers("local", None, 1)
ANSWERS = """
import json, pathlib, sys, time
with (pathlib.Path(__file__).parent / "calls.txt").open("a") as calls:
    calls.write(" ".join(sys.argv[2:]) + chr(10))
time.sleep(0.3)
blocks = len(json.loads(pathlib.Path(sys.argv[1]).read_text())["blocks"])
figure = {"p10": 0.9 * blocks, "median": 1.0 * blocks, "p90": 1.5 * blocks}
names = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
figures = {name: figure for name in names} | {"repeat_spread": 0.07, "stable": False, "disturbed": "no"}
print(json.dumps(figures))
"""
LIES = "print('{{\"prefill_latency_s\": 1}}')"


def board(folder: Path, name: str, *command: str) -> str:
    """The path of a device file with a command."""
    made = read_device(device("raspberry-pi-5").to_dict() | {"name": name, "measure_command": command}, name)
    path = folder / f"{name}.yaml"
    path.write_text(made.to_yaml(), encoding="utf-8")
    return str(path)


def small(folder: Path) -> dict[str, Any]:
    """The tiny campaign made smaller, priced on a board that answers, one that lies, and one out of reach."""
    script = folder / "measure.py"
    script.write_text(ANSWERS, encoding="utf-8")
    fields = [f"{{{name}}}" for name in ("arch", "context", "batch", "dtype", "weights", "cache")]
    answers = board(folder, "answers", sys.executable, str(script), *fields)
    lies = board(folder, "lies", sys.executable, "-c", LIES, "{arch}")
    stored = {"context": 64, "weights": "int8", "cache": "int8"}
    data = campaigns.tiny("unused")
    data |= {"tasks": data["tasks"][1:], "finalists": {"count": 2}}
    data["references"] = ["transformer++", "llama", "qwen3"]
    data["target"] |= {"blocks": 3}
    data["search"] |= {"generations": 1}
    data["budget"] |= {"rungs": [5]}
    data["objectives"] = [
        {"metric": "quality"},
        {"metric": "decode_latency_s", "device": answers, **stored},
        {"metric": "prefill_latency_s", "device": lies},
        {"metric": "peak_memory_bytes", "device": answers, **stored},
        {"metric": "peak_memory_bytes", "device": "raspberry-pi-5"},
    ]
    return data


def identity(event: Event) -> tuple[object, ...]:
    return tuple(
        event[key] for key in ("candidate", "device", "context", "batch", "dtype", "weights", "cache")
    )


def llama_cpp_profile(folder: Path) -> str:
    """The path of a device file as llama.cpp's calibration of this machine would write it."""
    made = llama_cpp_cases.device()
    assert made.provenance is not None
    here = made.provenance.model_copy(update={"threads": this_machine().cores})
    path = folder / "llama-cpp.yaml"
    path.write_text(made.model_copy(update={"provenance": here}).to_yaml(), encoding="utf-8")
    return str(path)
