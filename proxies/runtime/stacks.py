"""Measuring stacks of equal blocks, for a profile of this machine.

`python -m proxies.runtime.stacks` reads `{"cases": [...]}` as JSON from stdin, each with the keys of
`hardware_profiles.cases.Case`, and prints one JSON line a case: in the process of a whole operator, so
that compilers and allocators have one history. A case is run as `archsearch measure` runs a whole model
(`proxies.runtime.runtime.Runner`): a prompt in chunks, then single tokens at its depth with donated state.
The time of an empty stack of the same width and context is taken off, and the rest divided by the blocks.

A stack of a few blocks would decode from the cache, where a large model does not. So there are as many copies
of its weights and its state as fill `STREAM_BYTES`, and each token goes through the next of them, as it would
through the next blocks of a large model: programs and activations lie in the cache, weights and state do not.
Where the cache holds the whole stack, tokens are timed with one copy too, for models that are as small.
"""

import sys
from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genomes import Architecture, read_architecture
from genomes.operators import Skip, SwiGLU
from hardware_profiles.calibrated import lies_in_cache
from hardware_profiles.cases import PHASES, Case, Timed
from hardware_profiles.timing import drift
from hardware_profiles.timing.memory import other_load
from hardware_profiles.timing.sampling import sample_stack
from hardware_profiles.timing.worker import answer_cases
from hardware_profiles.work import weight_and_state_bytes
from proxies.runtime.runtime import Runner, threads
from proxies.runtime.yardstick import Yardstick

PREFILL_CHUNK = 512
STREAM_BYTES = 128 << 20
"""Beyond the last-level cache of most CPUs."""
SMALLEST_SHARE = 0.05
"""Of the stack's time, that what its blocks take is at least said to be: below, the empty stack's noise."""

Sampled = tuple[dict[Timed, list[float]], int]
"""With the working memory of the hungrier program, in bytes."""


def measure_cases(cases: list[dict[str, Any]]) -> Any:
    """What each case took, as it is found: a generator of plain JSON values."""
    yardstick = Yardstick()
    origin = {
        "runtime": f"jax-{jax.devices()[0].platform}",
        "version": version("jaxlib"),
        "threads": threads(),
    }
    empty: dict[tuple[Any, ...], Sampled] = {}
    for case in cases:
        key = tuple(case[name] for name in ("width", "vocab_size", "context", "batch", "dtype", "weights"))
        try:
            if key not in empty:
                empty[key] = _sample(_stack(case | {"operator": "head"}), case)
            yield case, {"origin": origin, **_measured(case, empty[key], yardstick)}
        except (RuntimeError, MemoryError) as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            yield case, {"origin": origin, "error": said}


def _measured(case: dict[str, Any], empty: Sampled, yardstick: Yardstick) -> dict[str, Any]:
    before = yardstick.read()
    with other_load() as others:
        samples, working = empty if case["operator"] == "head" else _sample(_stack(case), case)
    pace = drift.between(before, yardstick.read())
    found: dict[str, Any] = {"working_bytes": working, "other_load": others[0]}
    for phase, seconds in samples.items():
        p10, middle, p90 = np.percentile(seconds, (10, 50, 90))
        own = middle
        if case["operator"] != "head":
            own = max(middle - np.median(empty[0][phase]), SMALLEST_SHARE * middle) / case["copies"]
        found[f"{phase}_s"] = float(own)
        if phase in PHASES:
            found[f"{phase}_spread"] = float((p90 - p10) / middle)
    return found | {"yardstick": pace}


def _stack(case: dict[str, Any]) -> Architecture:
    """The blocks of a case, or as good as none."""
    if case["operator"] == "head":
        some = Architecture(width=case["width"], vocab_size=case["vocab_size"], blocks=(SwiGLU(hidden=1),))
        return some.model_copy(update={"blocks": (Skip(),)})  # which nobody may ask for
    return read_architecture(
        {
            "format": "archsearch/architecture",
            "version": 1,
            "width": case["width"],
            "vocab_size": case["vocab_size"],
            "blocks": [case["block"]] * case["copies"],
        }
    )


def _sample(architecture: Architecture, case: dict[str, Any]) -> Sampled:
    """Seconds of prompts and tokens, and the working memory of the hungrier program."""
    runner = Runner(
        architecture, case["context"], case["batch"], case["dtype"], PREFILL_CHUNK, case["weights"]
    )
    runner.load()
    runner.prefill()
    turn = _copies(runner, weight_and_state_bytes(architecture, Case.model_validate(case).workload))
    for _ in range(2):
        runner.decode()
    small = jax.default_backend() == "cpu" and lies_in_cache(architecture, Case.model_validate(case).workload)
    return sample_stack(runner.prefill, runner.decode, turn, small=small), runner.working_bytes


def _copies(runner: Runner, size: int) -> Callable[[], None]:
    """Makes a runner's weights and state one of several, each of `size` bytes; what turns to the next."""
    one = runner.weights, runner.state
    others = deque(jax.tree.map(jnp.copy, one) for _ in range(STREAM_BYTES // size))
    jax.block_until_ready(list(others))  # type: ignore[no-untyped-call]

    def turn() -> None:
        others.append((runner.weights, runner.state))
        runner.weights, runner.state = others.popleft()

    return turn


if __name__ == "__main__":
    sys.exit(answer_cases(measure_cases))
