"""Measuring stacks of equal blocks in onnxruntime, for a profile of this machine.

`python -m hardware_profiles.runtimes.onnx_runtime.calibrating` reads `{"cases": [...]}` as JSON from stdin,
each with the keys of `hardware_profiles.cases.Case`, and prints one JSON line a case, as
`proxies.runtime.stacks` does: `hardware_profiles.timing.stacks` says how a block's time comes out of stacks.
Each line says by which `origin` it was measured.

Working memory of the head is what the arena takes for logits, and where weights are integers the embedding
once more: the product with it reads a copy that is laid out anew.
"""

import sys
from collections.abc import Iterator
from typing import Any

from hardware_profiles import Workload
from hardware_profiles.runtimes.onnx_runtime.binding import threads, versions
from hardware_profiles.runtimes.onnx_runtime.runtime import load
from hardware_profiles.runtimes.onnx_runtime.stacks import stack
from hardware_profiles.timing.session import run_once
from hardware_profiles.timing.stacks import SMALL_VOCABULARY, Stacks, measure_cases
from hardware_profiles.timing.worker import answer_cases

RUNTIME = "onnxruntime-cpu"
SMALLEST_WIDTH = 32
"""Of a first model, with which pages of the library come into memory that are no block's."""


def measure(cases: list[dict[str, Any]]) -> Iterator[Any]:
    """What each case took, as it is found."""
    origin = {"runtime": RUNTIME, "version": versions()["onnxruntime"], "threads": threads()}
    first, _ = load(stack(None, SMALLEST_WIDTH, SMALL_VOCABULARY, 1), Workload(context=1))
    run_once(first)
    first.close()
    return measure_cases(Stacks(load, stack), origin, cases)


if __name__ == "__main__":
    sys.exit(answer_cases(measure))
