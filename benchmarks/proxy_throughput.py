"""Training steps of proxies against the same models in PyTorch, side by side in one process.

    python benchmarks/proxy_throughput.py [--cases A B] [--widths W W] [--lengths L L] [--seconds S]
        [--no-compile] [--compile-lengths L L] [--threads N] [--out FILE] [--keep]

Tokens a second of whole training steps (forward, backward, clipped AdamW) on the CPU in float32: 8-block
proxies by the program that campaigns run, against PyTorch modules as its users write them, eager and under
`torch.compile`. Cells are measured as campaigns train: one on each core at a time, with a thread (or, with
`--threads`, on as many cores as they have threads). All have 2048 tokens a step. Before a cell is timed, the
PyTorch model is given the proxy's parameters, and both make the same steps on the same batches: the numbers
of parameters and the losses must agree. Then they take turns, and medians are compared: `ratio` is ours over
the faster of PyTorch's two. Prints a table and writes JSON with `rows` after every cell. Needs PyTorch.
"""

import argparse
import gc
import json
import multiprocessing
import os
import platform
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from torch import nn
from torch_peers import Peer

from archsearch.executors.worker import allocator
from genomes import Architecture, Reference, Scale, accounting, reference
from proxies.operators import module_class
from proxies.tasks.base import Batch
from proxies.training.optimizer import BASE_WIDTH, BETA_1, BETA_2, CLIP
from proxies.training.program import (
    STEPS_A_CALL,
    TrainingState,
    compile_program,
    initial_state,
)

BLOCKS, VOCABULARY = 8, 256
TOKENS = 2048
"""Tokens of a step."""
HEADS = 4
"""Attention heads that fill the width."""
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.1
TOLERANCE = 2e-3
"""Largest difference of the losses (nats) in the steps that are compared."""
FEWEST_ROUNDS = 7
LONG_STEP_S = 0.25
"""From here on a turn is one step; below it, as many as one call of our program makes."""

ATTENTION = "attention(kv=1/4,qk_norm=yes)"
MOTIFS = {
    "attention": reference("transformer++").motif,
    "lfm2": reference("lfm2").motif,
    "mamba2-hybrid": reference("mamba2-hybrid").motif,
    "gated-deltanet-hybrid": f"{'gated_deltanet swiglu(8/3) ' * 3}{ATTENTION} swiglu(8/3)",
    "rg-lru-hybrid": "rg_lru geglu(3) rg_lru geglu(3) attention(kv=1/4) geglu(3)",
    "hyena-y": reference("hyena-edge").motif,
    "moe": "attention(kv=1/4) moe(2)",
    "quickstart-mix": (
        f"{ATTENTION} swiglu(8/3) short_conv(3) swiglu(8/3) mamba2(state=1) gated_linear_attention rg_lru "
        "swiglu(8/3)"
    ),
}
"""Motifs, cycled to 8 blocks. The last has a mixer of each family in the preset `hybrid`, which the quick
start searches."""

Steps = Callable[[list[Batch]], list[float]]
"""Makes one training step a batch; the losses before each."""


def architecture(case: str, width: int) -> Architecture:
    """The proxy of a case."""
    layout = Reference(case, MOTIFS[case], "").layout(BLOCKS)
    return layout.at(Scale(width=width, head_dim=width // HEADS, vocab_size=VOCABULARY))


def random_batches(length: int) -> list[Batch]:
    """As many as one call of our program takes."""
    shape = (STEPS_A_CALL, TOKENS // length, length + 1)
    drawn = np.random.default_rng(0).integers(0, VOCABULARY, shape, np.int32)
    ones = np.ones(shape[1:], np.float32)[:, 1:]
    return [Batch(part[:, :-1], part[:, 1:], ones) for part in drawn]


def ours(proxy: Architecture, length: int, state: TrainingState) -> tuple[Steps, float]:
    """Steps as a campaign makes them, and the seconds of compilation."""
    compiled = compile_program(proxy, "next_token", TOKENS // length, length, WEIGHT_DECAY)

    def steps(batches: list[Batch]) -> list[float]:
        nonlocal state
        rates = np.full(len(batches), LEARNING_RATE, np.float32)
        state, metrics = compiled.steps(state, batches, rates, VOCABULARY)
        return [float(loss) for loss in metrics.loss]

    return steps, compiled.seconds


def groups(proxy: Architecture, peer: nn.Module) -> list[dict[str, Any]]:
    """Parameters with the rates of `proxies.training.optimizer`; what decays does so at the asked rate."""
    exempt = {name for block in proxy.blocks for name in module_class(type(block)).exempt}
    ratio = BASE_WIDTH / proxy.width
    made: dict[float, list[nn.Parameter]] = {ratio: [], ratio**0.5: []}
    others = []
    for name, parameter in peer.named_parameters():
        short = name.removesuffix(".weight").rpartition(".")[2]
        if parameter.ndim < 2 or short in exempt or short.endswith("conv"):  # joined ones are called so
            others.append(parameter)
        else:
            made[ratio**0.5 if short == "embedding" else ratio].append(parameter)
    decaying = [
        {"params": parameters, "lr": LEARNING_RATE * factor, "weight_decay": WEIGHT_DECAY / factor}
        for factor, parameters in made.items()
    ]
    return [*decaying, {"params": others, "weight_decay": 0.0}]


def theirs(proxy: Architecture, peer: nn.Module, run: Callable[..., Any]) -> Steps:
    """Steps of a PyTorch training loop; `run` is the model, or what `torch.compile` made of it."""
    parameters = list(peer.parameters())
    optimizer = torch.optim.AdamW(groups(proxy, peer), lr=LEARNING_RATE, betas=(BETA_1, BETA_2), fused=True)

    def steps(batches: list[Batch]) -> list[float]:
        losses = []
        for batch in batches:
            tokens, targets = (torch.from_numpy(z).long() for z in (batch.tokens, batch.targets))
            optimizer.zero_grad(set_to_none=True)
            total, loss = run(tokens, targets)
            total.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimizer.step()
            losses.append(loss.detach())
        return torch.stack(losses).tolist()

    return steps


def check(proxy: Architecture, peer: nn.Module, losses: list[float], expected: list[float]) -> float:
    """The largest difference of the losses. Raises `ValueError` where the models are not the same."""
    counts = accounting.parameters(proxy), sum(p.numel() for p in peer.parameters())
    if counts[0] != counts[1]:
        raise ValueError(f"{counts[0]} parameters here, {counts[1]} in PyTorch")
    difference = float(np.abs(np.subtract(losses, expected)).max())
    if not difference <= TOLERANCE:
        raise ValueError(f"losses {losses} here, {expected} in PyTorch")
    return difference


def take_turns(contestants: dict[str, Steps], batches: list[Batch], seconds: float) -> dict[str, np.ndarray]:
    """Tokens a second of each, one sample a round."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    started, rounds = time.perf_counter(), 0
    while rounds < FEWEST_ROUNDS or time.perf_counter() - started < seconds:
        for name, steps in contestants.items():
            before = time.perf_counter()
            steps(batches)
            samples[name].append(TOKENS * len(batches) / (time.perf_counter() - before))
        rounds += 1
    return {name: np.array(speeds) for name, speeds in samples.items()}


def measure(case: str, width: int, length: int, seconds: float, compile_too: bool) -> dict[str, Any]:
    """One row."""
    gc.collect()
    torch.compiler.reset()
    proxy, batches = architecture(case, width), random_batches(length)
    state = initial_state(proxy, "next_token", length, seed=0)
    peer = Peer(proxy)
    peer.load(jax.tree.map(np.array, state.parameters["model"]))
    mine, compile_s = ours(proxy, length, state)
    contestants = {"ours": mine, "eager": theirs(proxy, peer, peer)}
    difference = check(proxy, peer, mine(batches), contestants["eager"](batches))
    peer_compile_s, problem = None, None
    if compile_too:
        compiled = theirs(proxy, peer, torch.compile(peer))
        before = time.perf_counter()
        try:
            compiled(batches)
            contestants["compiled"] = compiled
            peer_compile_s = time.perf_counter() - before
        except Exception as error:  # whatever its compiler raises: the eager model is left to compare with
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
    before = time.perf_counter()
    mine(batches)
    long = time.perf_counter() - before > LONG_STEP_S * len(batches)
    turn = batches[:1] if long else batches
    samples = take_turns(contestants, turn, seconds)
    medians = {name: float(np.median(speeds)) for name, speeds in samples.items()}
    best = max(value for name, value in medians.items() if name != "ours")
    return {
        "case": case,
        "width": width,
        "length": length,
        "batch": TOKENS // length,
        "parameters": accounting.parameters(proxy),
        "tokens_per_s": medians["ours"],
        "peer_tokens_per_s": best,
        "ratio": medians["ours"] / best,
        "peer_eager_tokens_per_s": medians["eager"],
        "peer_compiled_tokens_per_s": medians.get("compiled"),
        "p10_p90": {name: np.percentile(speeds, (10, 90)).tolist() for name, speeds in samples.items()},
        "rounds": len(samples["ours"]),
        "steps_a_round": len(turn),
        "compile_s": compile_s,
        "peer_compile_s": peer_compile_s,
        "peer_compile_problem": problem,
        "largest_loss_difference": difference,
    }


def pin(groups: "multiprocessing.Queue[set[int]]") -> None:
    """Give this process cores of its own; jax counts them when it first runs."""
    cores = groups.get()
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))


def setting(threads: int) -> dict[str, Any]:
    """What a reader needs to know of machine and versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if os.name == "posix" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "cxx": shutil.which(os.environ.get("CXX", "g++")) is not None,
        "dtype": "float32",
        "blocks": BLOCKS,
        "vocabulary": VOCABULARY,
        "tokens_a_step": TOKENS,
        "load_average_at_start": os.getloadavg()[0],
    }


def line(row: dict[str, Any]) -> str:
    """One line of the table."""
    compiled = row["peer_compiled_tokens_per_s"]
    return (
        f"{row['case']:22s} {row['width']:5d} {row['length']:6d} {row['tokens_per_s']:9.0f} "
        f"{row['peer_eager_tokens_per_s']:9.0f} {'-' if compiled is None else f'{compiled:.0f}':>9s} "
        f"{row['ratio']:6.2f} {row['compile_s']:10.1f} {row['peer_compile_s'] or 0:10.1f}"
    )


def groups_of(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """The ratios of all rows, of each width, of each length, of each case."""
    groups: dict[str, list[float]] = {"all": []}
    for key, label in (("width", "width {}"), ("length", "length {}"), ("case", "{}")):
        for value in dict.fromkeys(row[key] for row in rows):
            groups[label.format(value)] = [row["ratio"] for row in rows if row[key] == value]
    return groups | {"all": [row["ratio"] for row in rows]}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=MOTIFS, default=list(MOTIFS))
    parser.add_argument("--widths", nargs="+", type=int, default=[64, 128, 256])
    parser.add_argument("--lengths", nargs="+", type=int, default=[128, 512, 1024])
    parser.add_argument("--seconds", type=float, default=6.0, help="of taking turns, for each cell")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument(
        "--compile-lengths",
        nargs="+",
        type=int,
        help="lengths at which torch.compile runs too; by default all",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/proxy_throughput_cpu.json"))
    parser.add_argument("--threads", type=int, default=1, help="of a training")
    parser.add_argument("--keep", action="store_true", help="keep the rows of other cells that FILE has")
    options = parser.parse_args()
    about, rows = setting(options.threads), []
    print(json.dumps(about))
    print(
        f"{'case':22s} {'width':>5s} {'length':>6s} {'tokens/s':>9s} {'eager':>9s} {'compiled':>9s} "
        f"{'ratio':>6s} {'compile s':>10s} {'peer s':>10s}   time left"
    )
    cells = list(product(options.cases, options.widths, options.lengths))
    others = []
    if options.keep:
        before = json.loads(options.out.read_text(encoding="utf-8"))["rows"]
        others = [row for row in before if (row["case"], row["width"], row["length"]) not in cells]
    cores = sorted(os.sched_getaffinity(0))
    groups = [set(cores[i : i + options.threads]) for i in range(0, len(cores), options.threads)]
    context = multiprocessing.get_context("spawn")
    os.environ.update(allocator())  # as campaigns do, and for PyTorch too
    queue = context.Queue()
    for group in groups:
        queue.put(group)
    compiled = [
        not options.no_compile and cell[2] in (options.compile_lengths or options.lengths) for cell in cells
    ]
    started = time.perf_counter()
    with ProcessPoolExecutor(len(groups), context, pin, (queue,)) as pool:
        running = [
            pool.submit(measure, *cell, options.seconds, too)
            for cell, too in zip(cells, compiled, strict=True)
        ]
        for done in as_completed(running):
            rows.append(done.result())
            left = (time.perf_counter() - started) / len(rows) * (len(cells) - len(rows))
            print(f"{line(done.result())}   {left / 60:5.1f} min", flush=True)
            known = sorted(
                [*others, *rows],
                key=lambda row: (list(MOTIFS).index(row["case"]), row["width"], row["length"]),
            )
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(about | {"rows": known}, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        if row["peer_compile_problem"]:
            print(
                f"{row['case']} {row['width']} {row['length']}: torch.compile: {row['peer_compile_problem']}"
            )
    print("\nratio                    median  lowest  highest")
    for name, ratios in groups_of(known).items():
        print(f"{name:24s} {np.median(ratios):6.2f} {min(ratios):7.2f} {max(ratios):8.2f}")


if __name__ == "__main__":
    main()
