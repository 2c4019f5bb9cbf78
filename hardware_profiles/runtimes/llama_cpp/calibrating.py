"""Measuring stacks of equal blocks in llama.cpp, for a profile of this machine.

`python -m hardware_profiles.runtimes.llama_cpp.calibrating` reads `{"cases": [...]}` as JSON from stdin, each
with the keys of `hardware_profiles.cases.Case`, and prints one JSON line a case, as `proxies.runtime.stacks`
does: `hardware_profiles.runtimes.llama_cpp.stacks` says which stacks are measured,
`hardware_profiles.timing.stacks` how a block's time comes out of them. Each line says by which `origin` it
was measured.

Working memory of the head is the list of its tokens, and the embedding once more where it is the head too,
since llama.cpp regroups integers for products.
"""

import sys
from collections.abc import Iterator
from typing import Any

from genomes import SwiGLU
from hardware_profiles.runtimes.llama_cpp.binding import threads, versions
from hardware_profiles.runtimes.llama_cpp.runtime import load
from hardware_profiles.runtimes.llama_cpp.stacks import stack
from hardware_profiles.timing.stacks import Stacks, measure_cases
from hardware_profiles.timing.worker import answer_cases

RUNTIME = "llama.cpp-cpu"


def measure(cases: list[dict[str, Any]]) -> Iterator[Any]:
    """What each case took, as it is found."""
    origin = {"runtime": RUNTIME, "version": versions()["llama.cpp"], "threads": threads()}
    stacks = Stacks(load, stack, beside=lambda block: isinstance(block, SwiGLU))
    return measure_cases(stacks, origin, cases)


if __name__ == "__main__":
    sys.exit(answer_cases(measure))
