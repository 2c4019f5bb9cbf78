"""Whether an order of blocks costs a layout its start: every operator alone, before and after a feed-forward.

    python benchmarks/fairness.py [--operators attention s6] [--seeds 5] [--steps 50 200 1000] [--out FILE]

Text is learnt at width 64 by `op`, `op swiglu` and `swiglu op`, twice over, with weights and data from each
seed. The table shows the mean loss (nats a byte, on validation data) before the first step and after so many,
the deviation between seeds, what the order costs in such deviations, and how much larger the largest gradient
of a block is than the smallest at the first step. JSON holds every number.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from genomes import Architecture, Scale, parse_layout
from hardware_profiles import this_machine
from proxies.schedule import Schedule
from proxies.tasks import make_task
from proxies.training.program import Program, compile_program, initial_state, padded_vocabulary

OUT = Path(__file__).parent / "results" / "fairness.json"
OPERATORS = (
    *("attention", "attention(kv=1/4)", "attention(gated=yes)", "attention(differential=yes)", "mla"),
    *("attention-attention", "linear_attention", "gated_linear_attention", "gated_deltanet", "kda"),
    *("mamba2", "rg_lru", "s4d", "s5", "s6", "s6(conv=4,gated=yes)"),
    *("short_conv(3)", "hyena", "hyena_x", "hyena_y(7)", "moe"),
)
ORDERS = {
    "alone": "{op} {op}",
    "before": "{op} swiglu(8/3) {op} swiglu(8/3)",
    "after": "swiglu(8/3) {op} swiglu(8/3) {op}",
}
LENGTH, BATCH, RATE, WARMUP, DECAY, EVALUATION = 64, 8, 3e-3, 10, 0.2, 16


def gradient_ratio(
    program: Program, architecture: Architecture, batches: list[Any], vocabulary: int
) -> float:
    """How much larger the largest gradient of a block is than the smallest, at the first step."""
    state = initial_state(architecture, "next_token", LENGTH, 0)
    unravel = ravel_pytree(state.parameters)[1]
    state, _ = program.steps(state, batches[:1], np.zeros(1, np.float32), vocabulary)
    first = next(leaf for leaf in jax.tree.leaves(state.moments) if leaf.ndim == 1)
    blocks = {n: g for n, g in unravel(first)["model"].items() if n.startswith("ops_")}
    norms = [
        float(np.sqrt(sum((np.asarray(g) ** 2).sum() for g in jax.tree.leaves(b)))) for b in blocks.values()
    ]
    return max(norms) / min(norms)


def row(op: str, order: str, seeds: int, marks: list[int]) -> dict[str, Any]:
    """Losses of one layout, at each mark and for each seed; every mark is read after a decay of its own."""
    task = make_task("text", LENGTH, {"source": "python-stdlib"})
    vocabulary = padded_vocabulary(task.vocab_size)
    layout = ORDERS[order].format(op=op).strip()
    scale = Scale(width=64, head_dim=16, context=LENGTH)
    architecture = parse_layout(layout).at(scale).with_vocabulary(vocabulary).bare
    program = compile_program(architecture, task.readout, BATCH, LENGTH, 0.1)
    held_out = [task.batch("validation", 0, index, BATCH) for index in range(EVALUATION)]
    losses: dict[str, list[float]] = {str(mark): [] for mark in [0, *marks]}
    for seed in range(seeds):
        batches = [task.batch("train", seed, index, BATCH) for index in range(max(marks))]
        state, done = initial_state(architecture, task.readout, LENGTH, seed), 0
        losses["0"].append(program.evaluate(state, held_out, task.vocab_size)[0])
        for mark in sorted(marks):
            schedule = Schedule(mark, WARMUP, DECAY)
            rates = (RATE * schedule.factors(done, mark)).astype(np.float32)
            start = schedule.decay_start
            state, _ = program.steps(state, batches[done:start], rates[: start - done], task.vocab_size)
            decayed = jax.tree.map(jax.numpy.copy, state)
            decayed, _ = program.steps(decayed, batches[start:mark], rates[start - done :], task.vocab_size)
            losses[str(mark)].append(program.evaluate(decayed, held_out, task.vocab_size)[0])
            done = start
    return {
        "operator": op,
        "order": order,
        "layout": layout,
        "loss": {mark: [round(value, 4) for value in values] for mark, values in losses.items()},
        "gradient_ratio": round(gradient_ratio(program, architecture, batches, task.vocab_size), 2),
    }


def order_cost(before: dict[str, Any], after: dict[str, Any], mark: str) -> tuple[float, float]:
    """What the worse order loses (nats), and in deviations of one seed, pooled over both orders."""
    values = [before["loss"][mark], after["loss"][mark]]
    means = [statistics.mean(v) for v in values]
    noise = statistics.mean(statistics.variance(v) for v in values) ** 0.5
    return abs(means[0] - means[1]), abs(means[0] - means[1]) / max(noise, 1e-9)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--operators", nargs="+", default=list(OPERATORS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    last = str(max(asked.steps))
    marks = ["0", *map(str, sorted(asked.steps))]
    rows: list[dict[str, Any]] = []
    print(
        f"{'operator':30} {'order':7}"
        + "".join(f"{'loss at ' + m:>14}" for m in marks)
        + "  seed dev.  gradients"
    )
    for op in asked.operators:
        made = {order: row(op, order, asked.seeds, asked.steps) for order in ORDERS}
        for order, r in made.items():
            means = "".join(f"{statistics.mean(r['loss'][m]):14.3f}" for m in marks)
            noise = statistics.stdev(r["loss"][last])
            print(f"{op:30} {order:7}{means}{noise:11.3f}{r['gradient_ratio']:11.1f}")
        nats, deviations = order_cost(made["before"], made["after"], last)
        print(f"{'':30} the order costs {nats:.3f} nats, {deviations:.1f} seed deviations", flush=True)
        rows += made.values()
        record = {"cpu": this_machine().processor, "seeds": asked.seeds, "steps": asked.steps, "rows": rows}
        asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
