"""A loaded model and one sequence, whatever the runtime that runs them in this process; how it is
measured."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from hardware_profiles.timing import drift
from hardware_profiles.timing.memory import other_load, peak_bytes, reset_peak, trim
from hardware_profiles.timing.sampling import (
    FEWEST_PREFILLS,
    FEWEST_STEPS,
    SETTLED,
    WARM_UP_STEPS,
    sample,
    variation,
)
from hardware_profiles.timing.yardstick import Yardstick

Step = Callable[[], None]


class Session(Protocol):
    """What runtimes give: a prompt that is known, and tokens at its depth."""

    def clear(self) -> None:
        """Forget everything."""

    def prefill(self) -> None:
        """Read the prompt, into a memory that is clear; the logits of its last token."""

    def go_on(self) -> None:
        """One token after the prompt; its logits."""

    def step_back(self) -> None:
        """Make room for the token that `decode` reads; the prompt must have been read."""

    def decode(self) -> None:
        """One token at the prompt's depth; its logits."""

    def logits(self) -> np.ndarray:
        """Of the last token that was read; `V`."""

    def close(self) -> None:
        """Give the memory back."""


def run_once(session: Session) -> bool:
    """Read the prompt and decode a token; whether the peak of resident memory is that of this alone."""
    trim()
    reset = reset_peak()
    session.clear()
    session.prefill()
    session.go_on()  # where a step back needs a copy, that is not the model's
    return reset


def measured(
    session: Session, baseline: int, deeper: Mapping[int, Callable[[], Step]] | None = None
) -> dict[str, Any]:
    """What every runtime answers, of a session that was just loaded, which is closed; see
    `proxies.runtime.runtime.measure`.

    `baseline` is what was resident before it was loaded, in bytes; `deeper` makes steps at further depths.
    Raises `RuntimeError` where the logits are not finite.
    """
    reset = run_once(session)
    peak = peak_bytes(reset) - baseline
    counts = "resident memory while running" if reset else "resident memory, reading the file included"
    yardstick = Yardstick()
    before = yardstick.read()
    with other_load() as others:
        prefill = sample(session.prefill, 0, FEWEST_PREFILLS, before=session.clear)
        decode = sample(session.decode, WARM_UP_STEPS, FEWEST_STEPS, before=session.step_back)
        by_depth = {
            str(depth): sample(made(), WARM_UP_STEPS, FEWEST_STEPS) for depth, made in (deeper or {}).items()
        }
    logits = session.logits()
    session.close()  # whose threads may go on spinning, onnxruntime's for a tenth of a second
    pace = drift.between(before, yardstick.read())
    if not np.isfinite(logits).all():
        raise RuntimeError("the logits are not finite with random weights")
    return {
        "prefill_latency_s": prefill,
        "decode_latency_s": decode,
        "decode_latency_by_depth_s": by_depth,
        "yardstick": pace,
        "settled": max(variation(prefill), variation(decode)) <= SETTLED,
        "peak_memory_bytes": peak,
        "memory_counts": f"{counts}, less that of Python and the library",
        "other_load": others[0],
        "device": {"platform": "cpu", "kind": "cpu"},
    }
