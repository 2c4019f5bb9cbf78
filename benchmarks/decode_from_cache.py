"""How much of a model the last-level cache still holds when the next token is decoded.

    python benchmarks/decode_from_cache.py [--runtime jax|llama.cpp] [--widths W ...] [--layers L ...]
        [--out FILE]

Transformers of growing depth decode the same token again and again, with nothing in between and with the
caches filled with something else in between, in turns. `left` is the share of the time that is left without
filling; `modelled` is what `hardware_profiles.calibrated` makes of the share of the smallest model. Weights
are float32 under jax and int4 under llama.cpp. Prints the table and writes it as JSON with `rows`.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from genomes import Architecture, Scale, parse_layout
from hardware_profiles import Workload, this_machine
from hardware_profiles.calibrated import held
from hardware_profiles.runtimes.table import LLAMA_CPP
from hardware_profiles.work import weight_and_state_bytes

ROUNDS, TOKENS = 3, 15
CONTEXT, HEAD_DIM, VOCABULARY = 256, 64, 4096
Step = Callable[[], Any]


def steps(runtime: str, architecture: Architecture, workload: Workload) -> tuple[Step, Step, Step, Step]:
    """What decodes a token, what must come before it, what fills the caches, what ends it all."""
    if runtime == "jax":
        from proxies.runtime.runtime import Runner
        from proxies.runtime.yardstick import Yardstick

        runner = Runner(architecture, CONTEXT, 1, workload.dtype, workload.prefill_chunk)
        runner.load()
        runner.prefill()
        return runner.decode, lambda: None, Yardstick().flush, lambda: None
    from hardware_profiles.runtimes.llama_cpp.runtime import load
    from hardware_profiles.timing.session import run_once
    from hardware_profiles.timing.yardstick import Yardstick as NumpyYardstick

    session, _ = load(architecture, workload)
    run_once(session)
    return session.decode, session.step_back, NumpyYardstick().flush, session.close


def measured(decode: Step, before: Step, flush: Step) -> tuple[float, float]:
    """Seconds of a token without and with filled caches: medians over turns."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for flushed, seconds in found.items():
            for _ in range(TOKENS):
                before()
                if flushed:
                    flush()
                start = perf_counter()
                decode()
                seconds.append(perf_counter() - start)
    return median(found[False]), median(found[True])


def rows(runtime: str, widths: list[int], depths: list[int]) -> list[dict[str, Any]]:
    """One of each width and depth."""
    types = {} if runtime == "jax" else {"weights": "int4", "cache": "float16"}
    workload, found = Workload(context=CONTEXT, **types), []
    for width in widths:
        least = 1.0
        for depth in sorted(depths):
            layout = parse_layout(" ".join(["attention(kv=1/4) swiglu(8/3)"] * depth))
            architecture = layout.at(Scale(width=width, head_dim=HEAD_DIM, vocab_size=VOCABULARY))
            decode, before, flush, close = steps(runtime, architecture, workload)
            alone, flushed = measured(decode, before, flush)
            close()
            size = weight_and_state_bytes(architecture, workload)
            least = (
                min(least, alone / flushed) if not found or found[-1]["width"] == width else alone / flushed
            )
            found.append(
                {
                    "width": width,
                    "layers": depth,
                    "bytes": size,
                    "seconds": alone,
                    "flushed_seconds": flushed,
                    "left": alone / flushed,
                    "modelled": 1 - held(size, this_machine().cache_bytes) * (1 - least),
                }
            )
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtime", choices=["jax", "llama.cpp"], default="llama.cpp")
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4, 8, 12, 16, 24, 32, 48])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decode_from_cache.json"))
    given = parser.parse_args()
    if given.runtime == LLAMA_CPP.name:
        os.environ.update(LLAMA_CPP.environment)  # before numpy is loaded
    machine = this_machine()
    found = rows(given.runtime, given.widths, given.layers)
    table = Table("width", "layers", "MB", "ms a token", "ms, caches filled", "left", "modelled")
    for row in found:
        times = (f"{1e3 * row[key]:.2f}" for key in ("seconds", "flushed_seconds"))
        shares = (f"{row[key]:.2f}" for key in ("left", "modelled"))
        table.add_row(str(row["width"]), str(row["layers"]), f"{row['bytes'] / 1e6:.1f}", *times, *shares)
    Console().print(table)
    document = {
        "runtime": given.runtime,
        "processor": machine.processor,
        "cores": machine.cores,
        "cache_bytes": machine.cache_bytes,
        "rows": found,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
