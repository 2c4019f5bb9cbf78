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
from typing import Any

from genomes import Architecture, InvalidInput
from hardware_profiles.machine import this_machine
from hardware_profiles.measuring import process as fresh_process
from hardware_profiles.measuring.measurement import Measurement, ProcessAnswer, combined
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import JAX, find_runtime
from hardware_profiles.traits import traits_of
from hardware_profiles.workload import Workload

PROCESSES = 3
"""Fewest fresh processes that a reported figure should rest on."""
TIMEOUT_S = 3600

Progress = Callable[[str], None]
"""Receives a line of text after each process."""


def measure(
    architecture: Architecture,
    workload: Workload | None = None,
    runtime: str = JAX.name,
    *,
    depths: Sequence[int] = (),
    processes: int = PROCESSES,
    progress: Progress | None = None,
) -> Measurement:
    """Measure an architecture with random weights at full size, by default at 1024 tokens, batch 1, float32.

    What the workload leaves open is stored as the architecture says. Figures of the measurement:

    - `prefill_latency_s`: time to first token of a prompt of `context` tokens in chunks of 512, `median`,
      `p10` and `p90` over the samples of all processes
    - `decode_latency_s`: one decoded token that sees `context` tokens, itself included
    - `decode_latency_by_depth_s`: the same for a token that sees as many tokens as each of `depths`, by depth
    - `peak_memory_bytes`: of running the model, one sample a process; `memory_counts` says of what
    - `prefill_energy_j`, `decode_energy_j`: of a prompt and of a step on an NVIDIA GPU, one sample a process:
      the mean power of its board while running (NVML) times the median latency; else None. `energy` says
      which, in words
    - `repeat_spread`: (largest - smallest) / median of the processes' medians, the worse of both latencies;
      None where there is only one process
    - `stable`: whether the samples of each process settled and the repeat spread is at most 5 %
    - `disturbed`: whether other programs took more than a tenth of the machine's CPU time meanwhile

    Raises `InvalidInput` for what the runtime is not measured with, `RuntimeError` where the model does not
    fit in memory or a process fails.
    """
    workload = (workload or Workload()).stored_as(architecture)
    chosen = find_runtime(runtime)
    for depth in depths:
        Workload(context=depth)
    check_processes(processes)
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    answers = []
    for number in range(1, processes + 1):
        answer = measure_once(architecture, workload, chosen, depths)
        answers.append(answer)
        if progress is not None:
            progress(
                f"process {number} of {processes}: {answer.latency_s('prefill'):.4g} s to the first token, "
                f"{answer.latency_s('decode'):.4g} s a token"
            )
    return combined(
        answers,
        workload,
        chosen.name,
        this_machine(),
        date=datetime.now(UTC).date().isoformat(),
        load_average=load_average,
    )


def check_processes(processes: int) -> None:
    """Raise `InvalidInput` unless it is a number of processes."""
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
        raise InvalidInput(f"processes = {processes!r}; expected a whole number of at least 1")


def measure_once(
    architecture: Architecture, workload: Workload, runtime: Runtime = JAX, depths: Sequence[int] = ()
) -> ProcessAnswer:
    """The answer of the runtime's measuring program, from one fresh process.

    The table of the logits is stored as the runtime's models come, as prices have it.

    Raises `InvalidInput` for a request that is not legal, `RuntimeError` where the process fails.
    """
    runtime.check(workload, depths)
    workload = traits_of(runtime.name).shipped(workload)
    answer = _in_fresh_process(
        runtime,
        {
            "architecture": architecture.to_dict(),
            "context": workload.context,
            "batch": workload.batch,
            "dtype": workload.dtype,
            "weights": workload.weights,
            "cache": workload.cache,
            "head": workload.head,
            "prefill_chunk": workload.prefill_chunk,
            "depths": list(depths),
        },
    )
    return ProcessAnswer.read(answer)


def _in_fresh_process(runtime: Runtime, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the measuring program to a request."""
    try:
        done = fresh_process.answer(
            (fresh_process.WORKER, runtime.sessions, "model"),
            json.dumps(request),
            TIMEOUT_S,
            runtime.environment,
        )
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
