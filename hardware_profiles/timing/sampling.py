"""How times are sampled, whatever the runtime: until they settle, and no longer than they may."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from hardware_profiles.cases import Timed

WARM_UP_STEPS = 8
FEWEST_STEPS = 64
FEWEST_PREFILLS = 3
LEAST_SECONDS = 0.5
MOST_SECONDS = 5.0
"""A figure that has not settled after this time is given as it is; a slow one may rest on one sample."""
SETTLED = 0.05
"""Variation (see `variation`) at which sampling stops."""
PARTS = 8
"""Consecutive parts of the samples whose medians are compared."""

STACK_TOKENS, STACK_PROMPTS = 24, 3
"""Fewest samples of a stack that is calibrated with."""
STACK_LEAST_SECONDS, STACK_MOST_SECONDS = 0.2, 1.5
"""Of sampling, for each phase of a stack."""

Step = Callable[[], Any]


def sample(step: Step, warm_up: int, fewest: int, before: Step = lambda: None) -> list[float]:
    """Seconds of each step after the warm-up: at least `fewest` and half a second, until they have settled.

    Stops in any case after `MOST_SECONDS`, which is looked at while warming up too. `before` each step is not
    timed, though it counts towards these limits.
    """
    begin = perf_counter()
    for _ in range(warm_up):
        before()
        step()
        if perf_counter() - begin > MOST_SECONDS:
            break
    seconds: list[float] = []
    begin, look_at = perf_counter(), fewest
    while True:
        before()
        start = perf_counter()
        step()
        end = perf_counter()
        seconds.append(end - start)
        if end - begin > MOST_SECONDS:
            return seconds
        if len(seconds) >= look_at and end - begin >= LEAST_SECONDS:
            if variation(seconds) <= SETTLED:
                return seconds
            look_at = 2 * len(seconds)


def sample_stack(
    prefill: Step, decode: Step, flush: Step, before: Step = lambda: None, *, small: bool = False
) -> dict[Timed, list[float]]:
    """Seconds of the prompts and tokens of a stack; `before` each token and `flush` of the caches are not
    timed. Where the stack is `small`, tokens without a flush too.
    """

    def flushed() -> None:
        before()
        flush()

    found: dict[Timed, list[float]] = {
        "prefill": _sample_briefly(prefill, STACK_PROMPTS, 1, lambda: None),
        "decode": _sample_briefly(decode, STACK_TOKENS, STACK_PROMPTS, flushed),
    }
    if small:
        found["cached"] = _sample_briefly(decode, STACK_TOKENS, STACK_PROMPTS, before)
    return found


def _sample_briefly(step: Step, fewest: int, anyway: int, before: Step) -> list[float]:
    """At least `fewest`, and those that begin in a fifth of a second; only `anyway` where steps are slow."""
    seconds: list[float] = []
    begin = perf_counter()
    while len(seconds) < fewest or perf_counter() - begin < STACK_LEAST_SECONDS:
        before()
        start = perf_counter()
        step()
        seconds.append(perf_counter() - start)
        if perf_counter() - begin > STACK_MOST_SECONDS and len(seconds) >= anyway:
            break
    return seconds


def variation(seconds: list[float]) -> float:
    """Coefficient of variation of the figure reported: of the medians of up to 8 consecutive parts of the
    samples, without the lowest and the highest; drift and passing load show, the jitter of one call does not.
    """
    medians = np.sort([np.median(part) for part in np.array_split(seconds, min(PARTS, len(seconds)))])
    kept = medians[1:-1] if len(medians) >= PARTS else medians
    return float(kept.std() / kept.mean())
