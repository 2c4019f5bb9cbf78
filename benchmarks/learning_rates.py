"""Whether one grid of learning rates holds its optimum for every family of blocks and at every width.

    python benchmarks/learning_rates.py [--widths 64 256] [--rates 1e-3 4e-3] [--steps 120] [--out FILE]

A stack of each family learns text at each rate with two seeds; the table shows the mean loss on validation
data (nats a byte) and marks the best rate. `tests/house/test_benchmarks.py` holds that the best rates at two
widths are at most one step of the grid apart.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from genomes import Scale, parse_layout
from hardware_profiles import this_machine
from proxies.schedule import Schedule
from proxies.tasks import make_task
from proxies.training.program import compile_program, initial_state, padded_vocabulary

OUT = Path(__file__).parent / "results" / "learning_rates.json"
STACKS = {
    "attention": "attention swiglu(8/3) attention swiglu(8/3)",
    "convolution": "short_conv(3) swiglu(8/3) short_conv(3) swiglu(8/3)",
    "mamba2": "mamba2 swiglu(8/3) mamba2 swiglu(8/3)",
    "gated_deltanet": "gated_deltanet swiglu(8/3) gated_deltanet swiglu(8/3)",
}
RATES = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)
LENGTH, BATCH, WARMUP, DECAY, EVALUATION = 64, 8, 10, 0.2, 8


def losses(layout: str, width: int, rates: tuple[float, ...], steps: int, seeds: int) -> list[float]:
    """Mean validation loss over seeds, in nats a byte, at each rate."""
    task = make_task("text", LENGTH, {"source": "python-stdlib"})
    vocabulary = padded_vocabulary(task.vocab_size)
    scale = Scale(width=width, head_dim=16, context=LENGTH)
    architecture = parse_layout(layout).at(scale).with_vocabulary(vocabulary).bare
    program = compile_program(architecture, task.readout, BATCH, LENGTH, 0.1)
    held_out = [task.batch("validation", 0, index, BATCH) for index in range(EVALUATION)]
    factors = Schedule(steps, WARMUP, DECAY).factors(0, steps)

    def trained(rate: float, seed: int) -> float:
        batches = [task.batch("train", seed, index, BATCH) for index in range(steps)]
        state = initial_state(architecture, task.readout, LENGTH, seed)
        state, _ = program.steps(state, batches, (rate * factors).astype(np.float32), task.vocab_size)
        return program.evaluate(state, held_out, task.vocab_size)[0]

    return [statistics.mean(trained(rate, seed) for seed in range(seeds)) for rate in rates]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    rates = tuple(sorted(asked.rates))
    rows: list[dict[str, Any]] = []
    print(f"{'stack':16} {'width':>5}" + "".join(f"{rate:>10g}" for rate in rates))
    for stack, layout in STACKS.items():
        for width in asked.widths:
            loss = losses(layout, width, rates, asked.steps, asked.seeds)
            best = int(np.argmin(loss))
            shown = "".join(f"{value:9.3f}{'*' if i == best else ' '}" for i, value in enumerate(loss))
            print(f"{stack:16} {width:5}{shown}", flush=True)
            rows.append(
                {
                    "stack": stack,
                    "width": width,
                    "loss": {f"{rate:g}": round(value, 4) for rate, value in zip(rates, loss, strict=True)},
                    "best_rate": rates[best],
                }
            )
            settings = {name: value for name, value in vars(asked).items() if name != "out"}
            record = {"cpu": this_machine().processor, **settings, "rows": rows}
            asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
