"""`archsearch measure`: the real latency and memory of an architecture on this machine.

Each measurement runs in fresh processes, one after the other (`hardware_profiles.runtimes.table` says by
which program; this module stays free of jax): a process has its luck with memory placement and clock, and
what differs between processes is the machine's repeat spread.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from genomes import Architecture, InvalidInput
from hardware_profiles import Workload, this_machine
from hardware_profiles.cases import DISTURBED, PHASES
from hardware_profiles.energy import joules
from hardware_profiles.measuring import process as fresh_process
from hardware_profiles.runtimes.table import JAX, Runtime, find_runtime
from hardware_profiles.timing.power import MEASURED

PROCESSES = 3
"""Fewest fresh processes that a reported figure should rest on."""
STABLE = 0.05
"""Largest repeat spread of a stable measurement."""
TIMEOUT_S = 3600

LATENCIES = ("prefill_latency_s", "decode_latency_s")

Progress = Callable[[str], None]


def measure(
    architecture: Architecture,
    context: int = 1024,
    batch: int = 1,
    dtype: str = "float32",
    weights: str | None = None,
    processes: int = PROCESSES,
    progress: Progress | None = None,
    depths: Sequence[int] = (),
    cache: str | None = None,
    runtime: str = JAX.name,
) -> dict[str, Any]:
    """Measure an architecture with random weights at full size; plain JSON, as `archsearch measure --json`.

    `weights` and `cache` are by default what the architecture says, else `dtype`.

    - `prefill_latency_s`: time to first token of a prompt of `context` tokens in chunks of 512, `median`,
      `p10` and `p90` over the samples of all processes
    - `decode_latency_s`: one decoded token that sees `context` tokens, itself included
    - `decode_latency_by_depth_s`: the same for a token that sees as many tokens as each of `depths`, by depth
    - `peak_memory_bytes`: of running the model, one sample a process; `provenance.memory_counts` says of what
    - `prefill_energy_j`, `decode_energy_j`: of a prompt and of a step on an NVIDIA GPU, one sample a process:
      the mean power of its board while running (NVML) times the median latency; else null. `energy` says
      which, in words
    - `repeat_spread`: (largest - smallest) / median of the processes' medians, the worse of both latencies;
      null where there is only one process
    - `stable`: whether the samples of each process settled and the repeat spread is at most 5 %
    - `disturbed`: whether other programs took more than a tenth of the machine's CPU time meanwhile

    Raises `InvalidInput` for a workload that is not legal, `RuntimeError` where the model does not fit in
    memory or a process fails.
    """
    workload = Workload(context=context, batch=batch, dtype=dtype, weights=weights, cache=cache)
    workload = workload.stored_as(architecture)
    chosen = find_runtime(runtime)
    for depth in depths:
        Workload(context=depth)
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
        raise InvalidInput(f"processes = {processes!r}; expected a whole number of at least 1")
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    answers = []
    for number in range(1, processes + 1):
        answers.append(measure_once(architecture, workload, chosen, depths))
        if progress is not None:
            first, token = (median(answers[-1][latency]) for latency in LATENCIES)
            progress(
                f"process {number} of {processes}: {first:.4g} s to the first token, {token:.4g} s a token"
            )
    return _combined(answers, workload, chosen, load_average)


def measure_once(
    architecture: Architecture, workload: Workload, runtime: Runtime = JAX, depths: Sequence[int] = ()
) -> dict[str, Any]:
    """The answer of the runtime's measuring program, from one fresh process.

    Raises `InvalidInput` for a request that is not legal, `RuntimeError` where the process fails.
    """
    runtime.check(workload)
    return _in_fresh_process(
        runtime,
        {
            "architecture": architecture.to_dict(),
            "context": workload.context,
            "batch": workload.batch,
            "dtype": workload.dtype,
            "weights": workload.weights,
            "cache": workload.cache,
            "prefill_chunk": workload.prefill_chunk,
            "depths": list(depths),
        },
    )


def _combined(
    answers: list[dict[str, Any]], workload: Workload, runtime: Runtime, load_average: float | None
) -> dict[str, Any]:
    machine, last = this_machine(), answers[-1]
    medians = {latency: [median(answer[latency]) for answer in answers] for latency in LATENCIES}
    spread = max((max(m) - min(m)) / median(m) for m in medians.values()) if len(answers) > 1 else None
    other_load = max(answer["other_load"] for answer in answers)
    settled = all(answer["settled"] for answer in answers)
    return {
        **{name: _summary([s for answer in answers for s in answer[name]]) for name in LATENCIES},
        "decode_latency_by_depth_s": {
            depth: _summary([s for answer in answers for s in answer["decode_latency_by_depth_s"][depth]])
            for depth in last["decode_latency_by_depth_s"]
        },
        "peak_memory_bytes": _summary([answer["peak_memory_bytes"] for answer in answers]),
        **_energy(answers, runtime),
        "repeat_spread": spread,
        "stable": settled and spread is not None and spread <= STABLE,
        "disturbed": other_load > DISTURBED,
        "context": workload.context,
        "batch": workload.batch,
        "dtype": workload.dtype,
        "weights": workload.weight_dtype,
        "cache": workload.cache_dtype,
        "runtime": runtime.name,
        "device": {
            **last["device"],
            "processor": machine.processor,
            "cores": machine.cores,
            "memory_bytes": machine.memory_bytes,
        },
        "provenance": {
            "date": datetime.now(UTC).date().isoformat(),
            "versions": last["versions"],
            **({"options": last["options"]} if "options" in last else {}),
            "threads": last["threads"],
            "load_average": load_average,
            "other_load": other_load,
            "processes": len(answers),
            "samples": {latency: [len(answer[latency]) for answer in answers] for latency in LATENCIES},
            "process_medians": medians,
            "settled": settled,
            "prefill_chunk": workload.prefill_chunk,
            "memory_counts": last["memory_counts"],
        },
    }


def _energy(answers: list[dict[str, Any]], runtime: Runtime) -> dict[str, Any]:
    """Joules of a prompt and of a step, null where a process could not tell, and what they are in words."""
    found: dict[str, Any] = {}
    for phase, latency in zip(PHASES, LATENCIES, strict=True):
        powers = [answer.get("power_w", {}).get(phase) for answer in answers]
        steps = [
            joules(power, median(answer[latency])) for power, answer in zip(powers, answers, strict=True)
        ]
        known = [energy for energy in steps if energy is not None]
        found[f"{phase}_energy_j"] = _summary(known) if len(known) == len(steps) else None
    said = answers[-1].get("energy", f"not measured with {runtime.name}")
    if said == MEASURED and None in found.values():
        said += "; null where the counter told nothing"
    return found | {"energy": said}


def _summary(samples: list[float]) -> dict[str, float]:
    p10, middle, p90 = (float(x) for x in np.percentile(samples, (10, 50, 90)))
    return {"median": middle, "p10": p10, "p90": p90}


def _in_fresh_process(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the measuring program to a request."""
    try:
        done = fresh_process.answer(runtime.measuring, json.dumps(request), TIMEOUT_S, runtime.environment)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"measuring took longer than {TIMEOUT_S} s; lower context or batch") from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise RuntimeError(_failure(done)) from None
    if "error" in answer:
        raise (InvalidInput if answer["kind"] == "input" else RuntimeError)(answer["error"])
    return answer


def _failure(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a process gave no answer."""
    if done.returncode == -getattr(signal, "SIGKILL", 9):
        return (
            "measuring was killed by the operating system, most likely for want of memory; "
            "lower context or batch"
        )
    end = "\n".join(done.stderr.strip().splitlines()[-5:])
    return f"measuring failed with exit code {done.returncode}:\n{end}"
