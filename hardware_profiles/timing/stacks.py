"""Measuring stacks of equal blocks in a runtime that runs whole models; how a block's time comes out of them.

A block's time is what `copies + 1` of it take beyond a single one, by their number: what is in both,
embedding and head too, is gone. The head is one smallest block, less what each further one takes. Between two
tokens the caches are filled with something else; where the cache holds the whole stack, tokens are timed
without that too.

Working memory is what is resident at the highest beside weights and state, less what was resident before the
model was loaded. That of the head is what its vocabulary adds to the smallest block's.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from genomes import Architecture, Operator
from genomes.operators import read_operator
from hardware_profiles import Workload
from hardware_profiles.calibrated import lies_in_cache
from hardware_profiles.cases import HEAD, PHASES, Case, Phase, Timed
from hardware_profiles.timing import drift
from hardware_profiles.timing.memory import other_load, peak_bytes, trim
from hardware_profiles.timing.sampling import sample_stack
from hardware_profiles.timing.session import Session, run_once
from hardware_profiles.timing.yardstick import Yardstick
from hardware_profiles.work import weight_and_state_bytes

SMALL_VOCABULARY = 256
REFERENCE_COPIES = 4
"""Of the smallest block or layer, in the stack that tells what one takes."""
ATTEMPTS = 3
SMALLEST_SHARE = 0.05
"""Of a stack's time, that what its blocks take is at least said to be: below is noise."""


class Sampled(NamedTuple):
    """Medians of a stack in seconds, (p90 - p10) / median, and working memory in bytes."""

    seconds: dict[Timed, float]
    spread: dict[Phase, float]
    working: float


class Found(NamedTuple):
    """Seconds of a block or of the head, the stack that it was in, and working memory in bytes."""

    own: dict[Timed, float]
    full: Sampled
    working: float


class Stacks:
    """Stacks of one process; what was measured of a stack is kept.

    `load` gives a session of a model and what was resident before, in bytes; `stack` makes so many of a
    block, or (None) of the smallest, at a width and a vocabulary. `beside` says whether a smallest one stands
    in each layer of a block and is to be taken off.
    """

    def __init__(
        self,
        load: Callable[[Architecture, Workload], tuple[Session, int]],
        stack: Callable[[Operator | None, int, int, int], Architecture],
        beside: Callable[[Operator], bool] = lambda _: False,
    ) -> None:
        self._load, self._stack, self._beside = load, stack, beside
        self.yardstick = Yardstick()
        self._known: dict[tuple[Any, ...], Sampled] = {}

    def measured(self, case: Case) -> dict[str, Any]:
        """What a block of a case takes, or the head.

        Stacks whose difference is lost in noise are measured again; what is still lost is given as the least
        that can be told.
        """
        before = self.yardstick.read()
        for _ in range(ATTEMPTS):
            with other_load() as others:
                found = self._measured(case)
            least = {phase: SMALLEST_SHARE * found.full.seconds[phase] / case.copies for phase in found.own}
            if case.operator == HEAD or all(found.own[phase] > least[phase] for phase in PHASES):
                break
            self._known.clear()
        return {
            **{f"{phase}_s": max(own, least[phase]) for phase, own in found.own.items()},
            **{f"{phase}_spread": found.full.spread[phase] for phase in PHASES},
            "working_bytes": max(1.0, found.working),
            "other_load": others[0],
            "yardstick": drift.between(before, self.yardstick.read()),
        }

    def _measured(self, case: Case) -> Found:
        if case.operator == HEAD:
            full = self._sampled(case, None, case.vocab_size, 1)
            own = {phase: full.seconds[phase] - self._smallest(case, phase) for phase in full.seconds}
            return Found(own, full, full.working - self._sampled(case, None, SMALL_VOCABULARY, 1).working)
        block = read_operator(case.block, case.width, "case")
        one = self._sampled(case, block, case.vocab_size, 1)
        full = self._sampled(case, block, case.vocab_size, case.copies + 1)
        own = {phase: (full.seconds[phase] - one.seconds[phase]) / case.copies for phase in full.seconds}
        if self._beside(block):
            own = {phase: seconds - self._smallest(case, phase) for phase, seconds in own.items()}
        return Found(own, full, full.working)

    def _smallest(self, case: Case, phase: Timed) -> float:
        """Seconds of one smallest block or layer."""
        one = self._sampled(case, None, SMALL_VOCABULARY, 1)
        more = self._sampled(case, None, SMALL_VOCABULARY, REFERENCE_COPIES + 1)
        return max(0.0, more.seconds[phase] - one.seconds[phase]) / REFERENCE_COPIES

    def _sampled(self, case: Case, block: Operator | None, vocab_size: int, copies: int) -> Sampled:
        key = (block, case.width, vocab_size, copies, case.workload)
        if key not in self._known:
            self._known[key] = self._sample(case, block, vocab_size, copies)
        return self._known[key]

    def _sample(self, case: Case, block: Operator | None, vocab_size: int, copies: int) -> Sampled:
        architecture, workload = self._stack(block, case.width, vocab_size, copies), case.workload
        session, baseline = self._load(architecture, workload)
        try:
            reset = run_once(session)
            working = peak_bytes(reset) - baseline - weight_and_state_bytes(architecture, workload)

            def prompt() -> None:
                session.clear()
                session.prefill()

            samples = sample_stack(
                prompt,
                session.decode,
                self.yardstick.flush,
                before=session.step_back,
                small=lies_in_cache(architecture, workload),
            )
        finally:
            session.close()
            trim()
        quantiles = {phase: np.percentile(found, (10, 50, 90)) for phase, found in samples.items()}
        return Sampled(
            {phase: float(middle) for phase, (_, middle, _) in quantiles.items()},
            {phase: float((q[2] - q[0]) / q[1]) for phase, q in quantiles.items() if phase in PHASES},
            max(1.0, float(working)),
        )


def measure_cases(stacks: Stacks, origin: dict[str, Any], cases: list[dict[str, Any]]) -> Iterator[Any]:
    """Each case and what it took, as it is found; plain JSON values."""
    for case in cases:
        try:
            yield case, {"origin": origin, **stacks.measured(Case.model_validate(case))}
        except (RuntimeError, MemoryError) as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            yield case, {"origin": origin, "error": said}
