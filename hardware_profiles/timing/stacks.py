"""Measuring stacks of equal blocks, for a profile of this machine; how a block's time comes out of them.

One protocol for every runtime. A block's time is what a stack of several takes beyond a stack of fewer, by
their difference: what is in both, embedding and head too, is gone. Where the runtime runs a stack of no
blocks, that is the one of fewer, and the head is what it takes; elsewhere it is a single block, and the head
is a single smallest block, less what each further one takes.

A prompt is read in chunks, then single tokens at its depth, between which copies of the stack take turns
(`Turns`); where the cache holds the whole stack, tokens are timed without turns too, for models as small.

Working memory is what the runtime's compiler says that its programs need; where there is none, what is
resident at the highest beside weights and state, less what was resident before the model was loaded. The
head's is then what its vocabulary adds to that of the smallest block.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from genomes import Operator
from genomes.operators import read_operator
from hardware_profiles.calibrated import lies_in_cache
from hardware_profiles.cases import HEAD, PHASES, Case, Phase, Timed
from hardware_profiles.timing import drift
from hardware_profiles.timing.memory import other_load, trim
from hardware_profiles.timing.sampling import STACK_PROMPTS, STACK_TOKENS, sample_briefly
from hardware_profiles.timing.session import Session, Sessions, Turns, run_once
from hardware_profiles.timing.yardstick import Yardstick
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import Workload

SMALLEST_WIDTH, SMALL_VOCABULARY = 32, 256
REFERENCE_COPIES = 4
"""Smallest blocks by which the longer of two stacks is longer that tell what one takes."""
ATTEMPTS = 3
"""Times that a stack is measured at most whose difference is lost in noise."""
PROTOCOL = 2
"""Raised whenever a block's time comes out of stacks in another way, so that rows of two ways never mix."""
NOISE_SHARE = 0.05
"""Smallest share of a stack's time credited to its blocks; less is noise."""


class StackFigures(NamedTuple):
    """Medians of a stack in seconds, (p90 - p10) / median, and working memory in bytes."""

    seconds: dict[Timed, float]
    spread: dict[Phase, float]
    working: float


class BlockFigures(NamedTuple):
    """Seconds of a block or of the head, the stack that it was in, and working memory in bytes."""

    own: dict[Timed, float]
    stack: StackFigures
    working: float


class Stacks:
    """The stacks that one process measures; what was measured of a stack is kept."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._fewest = 0 if sessions.empty_stacks else 1
        self._yardstick = Yardstick(sessions.work())
        self._known: dict[tuple[Any, ...], StackFigures] = {}

    def measured(self, case: Case) -> dict[str, Any]:
        """What a block of a case takes, or the head.

        Stacks whose difference is lost in noise are measured again; what is still lost is given as the least
        that can be told.
        """
        before = self._yardstick.read()
        for _ in range(ATTEMPTS):
            with other_load() as others:
                block = self._head(case) if case.operator == HEAD else self._block(case)
            least = {
                phase: NOISE_SHARE * block.stack.seconds[phase] / case.copies for phase in block.stack.seconds
            }
            if case.operator == HEAD or all(block.own[phase] > least[phase] for phase in PHASES):
                break
            self._known.clear()
        return {
            **{f"{phase}_s": max(own, least[phase]) for phase, own in block.own.items()},
            **{f"{phase}_spread": block.stack.spread[phase] for phase in PHASES},
            "working_bytes": max(1.0, block.working),
            "other_load": others[0],
            "yardstick": drift.between(before, self._yardstick.read()),
        }

    def _head(self, case: Case) -> BlockFigures:
        full = self._stack(case, None, case.vocab_size, self._fewest)
        if self._fewest == 0:
            return BlockFigures(full.seconds, full, full.working)
        smallest, small = self._smallest(case), self._stack(case, None, SMALL_VOCABULARY, 1)
        return BlockFigures(_beyond(full.seconds, smallest), full, full.working - small.working)

    def _block(self, case: Case) -> BlockFigures:
        block = read_operator(case.block, case.width, "case")
        few = self._stack(case, block if self._fewest else None, case.vocab_size, self._fewest)
        full = self._stack(case, block, case.vocab_size, self._fewest + case.copies)
        own = {timed: s / case.copies for timed, s in _beyond(full.seconds, few.seconds).items()}
        if self._sessions.beside(block):
            own = _beyond(own, self._smallest(case))
        return BlockFigures(own, full, full.working)

    def _smallest(self, case: Case) -> dict[Timed, float]:
        """Seconds of one smallest block or layer."""
        one = self._stack(case, None, SMALL_VOCABULARY, 1)
        more = self._stack(case, None, SMALL_VOCABULARY, REFERENCE_COPIES + 1)
        added = _beyond(more.seconds, one.seconds)
        return {timed: max(0.0, seconds) / REFERENCE_COPIES for timed, seconds in added.items()}

    def _stack(self, case: Case, block: Operator | None, vocab_size: int, copies: int) -> StackFigures:
        key = (block, case.width, vocab_size, copies, case.workload)
        if key not in self._known:
            self._known[key] = self._sample(*key)
        return self._known[key]

    def _sample(
        self, block: Operator | None, width: int, vocab_size: int, copies: int, workload: Workload
    ) -> StackFigures:
        architecture = self._sessions.stack(block, width, vocab_size, copies)
        model_bytes = weight_and_state_bytes(architecture, workload)
        on_cpu = self._sessions.device()["platform"] == "cpu"
        session, baseline = self._sessions.load(architecture, workload, workload.context)
        try:
            reset = run_once(session)
            if self._sessions.working_bytes is not None:
                working = self._sessions.working_bytes(session)
            else:
                working = self._sessions.peak(baseline, reset).bytes - model_bytes
            samples = _sample(session, model_bytes, on_cpu and lies_in_cache(architecture, workload))
        finally:
            session.close()
            trim()
        quantiles = {timed: np.percentile(seconds, (10, 50, 90)) for timed, seconds in samples.items()}
        return StackFigures(
            {timed: float(middle) for timed, (_, middle, _) in quantiles.items()},
            {phase: float((q[2] - q[0]) / q[1]) for phase, q in quantiles.items() if phase in PHASES},
            max(1.0, float(working)),
        )


def _beyond(more: dict[Timed, float], less: dict[Timed, float]) -> dict[Timed, float]:
    """Seconds that a stack takes beyond another, of what was timed of both: the cache may hold one alone."""
    return {timed: seconds - less[timed] for timed, seconds in more.items() if timed in less}


def _sample(session: Session, model_bytes: int, in_cache: bool) -> dict[Timed, list[float]]:
    """Seconds of prompts and tokens; where the cache holds the stack, tokens without turns too."""
    samples: dict[Timed, list[float]] = {
        "prefill": sample_briefly(session.prefill, STACK_PROMPTS, 1, before=session.clear)
    }
    turns = Turns(session, model_bytes)
    try:
        samples["decode"] = sample_briefly(turns.decode, STACK_TOKENS, STACK_PROMPTS, before=turns.turn)
    finally:
        turns.close()
    if in_cache:
        samples["cached"] = sample_briefly(session.decode, STACK_TOKENS, STACK_PROMPTS, session.step_back)
    return samples


def measure_cases(cases: list[dict[str, Any]], sessions: Sessions) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each case and what it took, as it is measured; plain JSON values."""
    origin = sessions.origin() | {"protocol": PROTOCOL}
    if sessions.working_bytes is None:  # pages of the library come into memory that are no block's
        fewest = 0 if sessions.empty_stacks else 1
        workload = Workload(context=1)
        smallest = sessions.stack(None, SMALLEST_WIDTH, SMALL_VOCABULARY, fewest)
        first, _ = sessions.load(smallest, workload, workload.context)
        run_once(first)
        first.close()
    stacks = Stacks(sessions)
    for case in cases:
        try:
            yield case, {"origin": origin, **stacks.measured(Case.model_validate(case))}
        except (RuntimeError, MemoryError) as error:
            message = (str(error) or type(error).__name__).splitlines()[0]
            yield case, {"origin": origin, "error": message}
