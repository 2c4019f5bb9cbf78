"""Lowerings that proxies rely on against the obvious ones, side by side in one process.

    python benchmarks/lowerings.py [--out FILE]

Forward and backward on the CPU, median of interleaved repetitions; prints a table and writes JSON with
`rows`, each with `case, seconds, obvious_seconds, ratio`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from proxies.kernels.causal_conv import causal_conv
from proxies.kernels.gated_state import head_decay, naive_gated_state
from proxies.kernels.linear_recurrence import linear_recurrence, naive_linear_recurrence
from proxies.kernels.project import project

REPETITIONS = 15
B, T, D, H = 16, 128, 64, 4


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


def cases() -> dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[jax.Array, ...]]]:
    """Case -> (ours, the obvious one, arguments)."""
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


def seconds(functions: list[Callable[..., Any]], arguments: tuple[jax.Array, ...]) -> list[float]:
    """Median time of forward and backward of each, interleaved."""
    compiled = []
    for function in functions:
        both = jax.jit(jax.grad(lambda *a, f=function: jnp.square(f(*a)).sum(), tuple(range(len(arguments)))))
        compiled.append(both.lower(*arguments).compile())
        jax.block_until_ready(compiled[-1](*arguments))
    samples: list[list[float]] = [[] for _ in functions]
    for _ in range(REPETITIONS):
        for run, found in zip(compiled, samples, strict=True):
            started = time.perf_counter()
            jax.block_until_ready(run(*arguments))
            found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in samples]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/lowerings_cpu.json"))
    out = parser.parse_args().out
    rows = []
    print(f"{'case':32s} {'ms':>8s} {'obvious ms':>11s} {'ratio':>7s}")
    for case, (ours, obvious, arguments) in cases().items():
        mine, other = seconds([ours, obvious], arguments)
        rows.append({"case": case, "seconds": mine, "obvious_seconds": other, "ratio": other / mine})
        print(f"{case:32s} {mine * 1e3:8.2f} {other * 1e3:11.2f} {other / mine:7.2f}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"jax": jax.__version__, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
