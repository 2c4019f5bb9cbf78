"""Lowerings that proxies rely on against the obvious ones, side by side in one process.

    python benchmarks/lowerings.py [--out FILE] [--forms-out FILE] [--length TOKENS] [--width WIDTH]

Forward and backward on the CPU, medians of interleaved repetitions. Prints two tables and writes each as JSON
with `rows`: kernels (`case, seconds, obvious_seconds, ratio`), and the form in which each recurrent operator
trains against its recurrence step by step (`case, length, width, batch, seconds, naive_seconds, ratio`).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from genomes import Scale, operator_table
from proxies.kernels.causal_conv import causal_conv
from proxies.kernels.gated_state import head_decay, naive_gated_state
from proxies.kernels.linear_recurrence import linear_recurrence, naive_linear_recurrence
from proxies.kernels.project import project
from proxies.operators import module_class

REPETITIONS, FORM_REPETITIONS = 15, 5
B, T, D, H = 16, 128, 64, 4
FORM_BATCH = 4

Case = tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]
"""Ours, the obvious one, arguments."""


def conv_general(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same convolution by the general primitive, one group a channel."""
    length, channels = kernel.shape
    return lax.conv_general_dilated(
        x,
        kernel[:, None],
        (1,),
        [(length - 1, 0)],
        dimension_numbers=("NWC", "WIO", "NWC"),
        feature_group_count=channels,
    )


def cases() -> dict[str, Case]:
    """Kernels."""
    keys = iter(jax.random.split(jax.random.key(0), 16))

    def draw(*shape: int) -> jax.Array:
        return jax.random.normal(next(keys), shape)

    x, decay = draw(B, T, D), jax.nn.sigmoid(draw(B, T, D))
    q, k, v, log_a = draw(B, T, 1, 32), draw(B, T, 1, 32), draw(B, T, H, 16), -jax.nn.softplus(draw(B, T, H))
    return {
        "projection 64 -> 256": (project, lambda x, w: x @ w, (x, draw(D, 4 * D))),
        "causal convolution of 4": (causal_conv, conv_general, (x, draw(4, D))),
        "linear recurrence": (
            lambda a, b: linear_recurrence(a, b, jnp.zeros_like(b[:, 0])),
            lambda a, b: naive_linear_recurrence(a, b, jnp.zeros_like(b[:, 0])),
            (decay, x),
        ),
        "state with one decay a head": (
            lambda *inputs: head_decay(*inputs)[0],
            naive_gated_state,
            (q, k, v, log_a),
        ),
    }


def forms(length: int, width: int) -> dict[str, Case]:
    """Recurrent operators: all tokens as in training, and step by step with the same convolutions."""
    scale = Scale(width=width, head_dim=width // H)
    x = jax.random.normal(jax.random.key(1), (FORM_BATCH, length, width))
    pairs: dict[str, Case] = {}
    for name, operator in operator_table().items():
        if operator.kind == "recurrence":
            spec = operator.at(scale, {key: setting.default for key, setting in operator.settings.items()})
            module = module_class(operator)(spec, width)
            parameters = module.init(jax.random.key(0), method="create")
            naive = partial(module.apply, method="reference")
            pairs[name] = (module.apply, naive, (parameters, x))
    for module in list(sys.modules.values()):
        if hasattr(module, "naive_causal_conv") and module.__name__.startswith("proxies.operators"):
            module.naive_causal_conv = causal_conv  # a matrix a channel would take longer than the recurrence
    return pairs


def seconds(functions: list[Callable[..., Any]], arguments: tuple[Any, ...], repetitions: int) -> list[float]:
    """Median time of forward and backward of each, interleaved."""
    compiled = []
    for function in functions:
        both = jax.jit(jax.grad(lambda *a, f=function: jnp.square(f(*a)).sum(), tuple(range(len(arguments)))))
        compiled.append(both.lower(*arguments).compile())
        jax.block_until_ready(compiled[-1](*arguments))
    samples: list[list[float]] = [[] for _ in functions]
    for _ in range(repetitions):
        for run, times in zip(compiled, samples, strict=True):
            started = time.perf_counter()
            jax.block_until_ready(run(*arguments))
            times.append(time.perf_counter() - started)
    return [statistics.median(times) for times in samples]


def table(pairs: dict[str, Case], other: str, repetitions: int, **also: int) -> list[dict[str, Any]]:
    """Measure and print; a row a case."""
    rows = []
    print(f"{'case':32s} {'ms':>8s} {other + ' ms':>11s} {'ratio':>7s}")
    for case, (ours, theirs, arguments) in pairs.items():
        mine, others = seconds([ours, theirs], arguments, repetitions)
        ratio = others / mine
        rows.append({"case": case, **also, "seconds": mine, f"{other}_seconds": others, "ratio": ratio})
        print(f"{case:32s} {mine * 1e3:8.2f} {others * 1e3:11.2f} {ratio:7.2f}", flush=True)
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/lowerings_cpu.json"))
    parser.add_argument("--forms-out", type=Path, default=Path("benchmarks/results/parallel_forms_cpu.json"))
    parser.add_argument("--length", type=int, default=1024, help="tokens of the recurrent operators")
    parser.add_argument("--width", type=int, default=256, help="width of the recurrent operators")
    options = parser.parse_args()
    rows = table(cases(), "obvious", REPETITIONS)
    sizes = {"length": options.length, "width": options.width, "batch": FORM_BATCH}
    form_rows = table(forms(options.length, options.width), "naive", FORM_REPETITIONS, **sizes)
    for out, measured in ((options.out, rows), (options.forms_out, form_rows)):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(
            json.dumps({"jax": jax.__version__, "rows": measured}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
