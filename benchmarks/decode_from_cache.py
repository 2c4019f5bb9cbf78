"""How much of a model the last-level cache still holds when the next token is decoded.

    python benchmarks/decode_from_cache.py [--runtime jax|llama.cpp|onnxruntime] [--widths W ...]
        [--layers L ...] [--out FILE]

Transformers of growing depth decode the same token again and again, one model alone and copies of it that
take turns, so that weights and state have left the cache. `left` is the share of the time with turns that the
model alone takes; `modelled` is what `hardware_profiles.calibrated` makes of the share of the smallest model.
Weights are float32 under jax and int4 elsewhere. Prints the table and writes it as JSON with `rows`.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from genomes import Architecture, Scale, parse_layout
from hardware_profiles import Workload, this_machine
from hardware_profiles.calibrated import held
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import JAX, LLAMA_CPP, RUNTIMES, find_runtime
from hardware_profiles.timing.session import Step, Turns, find_sessions, run_once
from hardware_profiles.work import weight_and_state_bytes

ROUNDS, TOKENS = 3, 15
CONTEXT, HEAD_DIM, VOCABULARY = 256, 64, 4096


def measured(runtime: Runtime, architecture: Architecture, workload: Workload) -> tuple[float, float]:
    """Seconds of a token of one model alone and with turns: medians over rounds of both."""
    sessions = find_sessions(runtime.sessions)
    session = sessions.load(architecture, workload, CONTEXT).session
    run_once(session)
    session.clear()
    session.prefill()
    turns = Turns(session, weight_and_state_bytes(architecture, workload))
    alone: list[float] = []
    streamed: list[float] = []
    for _ in range(ROUNDS):
        session.step_back()
        session.decode()  # which brings it back into the cache
        alone += seconds(session.decode, session.step_back)
        streamed += seconds(turns.decode, turns.turn)
    turns.close()
    session.close()
    return median(alone), median(streamed)


def seconds(decode: Step, before: Step) -> list[float]:
    """Seconds of each of some tokens; what comes before each is not timed."""
    times = []
    for _ in range(TOKENS):
        before()
        start = perf_counter()
        decode()
        times.append(perf_counter() - start)
    return times


def rows(runtime: Runtime, widths: list[int], depths: list[int]) -> list[dict[str, Any]]:
    """One of each width and depth."""
    types = {} if runtime is JAX else {"weights": "int4", "cache": "float16"}
    workload = Workload(context=CONTEXT, **types)
    every: list[dict[str, Any]] = []
    for width in widths:
        least = 1.0
        for depth in sorted(depths):
            layout = parse_layout(" ".join(["attention(kv=1/4) swiglu(8/3)"] * depth))
            architecture = layout.at(Scale(width=width, head_dim=HEAD_DIM, vocab_size=VOCABULARY))
            alone, streamed = measured(runtime, architecture, workload)
            size = weight_and_state_bytes(architecture, workload)
            least = min(least, alone / streamed)
            every.append(
                {
                    "width": width,
                    "layers": depth,
                    "bytes": size,
                    "seconds": alone,
                    "flushed_seconds": streamed,
                    "left": alone / streamed,
                    "modelled": 1 - held(size, this_machine().cache_bytes) * (1 - least),
                }
            )
    return every


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtime", choices=list(RUNTIMES), default=LLAMA_CPP.name)
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 8, 12, 16, 24, 32, 48])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decode_from_cache.json"))
    options = parser.parse_args()
    runtime = find_runtime(options.runtime)
    if runtime.environment.items() - os.environ.items():  # which numpy reads when it is loaded
        environment = {**os.environ, **runtime.environment}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    machine = this_machine()
    every = rows(runtime, options.widths, options.layers)
    table = Table("width", "layers", "MB", "ms a token", "ms, with turns", "left", "modelled")
    for row in every:
        times = (f"{1e3 * row[key]:.2f}" for key in ("seconds", "flushed_seconds"))
        shares = (f"{row[key]:.2f}" for key in ("left", "modelled"))
        table.add_row(str(row["width"]), str(row["layers"]), f"{row['bytes'] / 1e6:.1f}", *times, *shares)
    Console().print(table)
    document = {
        "runtime": runtime.name,
        "processor": machine.processor,
        "cores": machine.cores,
        "cache_bytes": machine.cache_bytes,
        "rows": every,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
