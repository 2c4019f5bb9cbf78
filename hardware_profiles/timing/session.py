"""A loaded model and one sequence, whatever the runtime that runs them in this process; what each runtime
gives to be measured with."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from genomes import Architecture, Operator
from hardware_profiles.cases import Phase
from hardware_profiles.timing.memory import peak_bytes, reset_peak, trim
from hardware_profiles.timing.power import Counter
from hardware_profiles.workload import Workload

Step = Callable[[], object]

STREAM_BYTES = 128 << 20
"""Bytes of weights and states that take turns, beyond the last-level cache of most CPUs."""
MOST_MODEL_COPIES = 64
"""Copies of a model that take turns: what is smaller than the 64th part of `STREAM_BYTES` takes its time
elsewhere."""


class Session(Protocol):
    """A model in memory with a prompt of pseudo-random tokens, and one token at the prompt's depth."""

    def clear(self) -> None:
        """Forget everything."""

    def prefill(self) -> None:
        """Read the prompt, into a memory that is clear; gives the logits of its last token."""

    def go_on(self) -> None:
        """Read one token after the prompt; gives its logits. Needs no memory that is not the model's."""

    def step_back(self) -> None:
        """Make room for the token that `decode` reads; the prompt must have been read."""

    def decode(self) -> None:
        """Read one token at the prompt's depth; gives its logits."""

    def at_depth(self, depth: int) -> Step:
        """Make a step that decodes a token at another depth, with a state of its own that holds zeros.

        Raises `InvalidInput` where the runtime cannot.
        """

    def logits(self) -> np.ndarray:
        """Return those of the last token that was read; `B V`."""

    def copy(self) -> Self:
        """Load the model once more, with weights and state of its own, just after the prompt was read."""

    def close(self) -> None:
        """Give the memory back."""


class Loaded(NamedTuple):
    """A session, and what was resident before its weights were made, in bytes."""

    session: Session
    baseline: int


class PeakMemory(NamedTuple):
    """The most memory that a model took, in bytes, and in words what that counts."""

    bytes: int
    counts: str


def resident_peak(baseline: int, reset: bool) -> PeakMemory:
    """Peak of resident memory beyond a baseline; `reset` says whether the mark was reset after loading."""
    counts = "resident memory while running" if reset else "resident memory, reading the file included"
    return PeakMemory(peak_bytes(reset) - baseline, f"{counts}, less that of Python and the library")


@dataclass(frozen=True)
class Sessions:
    """What a runtime gives to the process that measures with it."""

    origin: Callable[[], dict[str, Any]]
    """The `runtime` as profiles name it, its `version`, and the `threads` that it computes on."""
    versions: Callable[[], dict[str, str]]
    """Versions of the packages that results depend on."""
    load: Callable[[Architecture, Workload, int], Loaded]
    """Make a model with cheap weights, for positions up to a longest context. Raises `InvalidInput` for what
    the runtime does not run, `RuntimeError` where it does not fit."""
    stack: Callable[[Operator | None, int, int, int], Architecture]
    """The architecture with so many of a block, or (None) of the smallest, at a width and a vocabulary."""
    work: Callable[[], Mapping[Phase, Step]]
    """Pieces of work of a yardstick (`hardware_profiles.timing.yardstick`)."""
    beside: Callable[[Operator], bool] = lambda _: False
    """Whether a smallest block stands beside each of a block's in its stack, and is to be taken off."""
    empty_stacks: bool = False
    """Whether the runtime runs a stack of no blocks."""
    peak: Callable[[int, bool], PeakMemory] = resident_peak
    """The rule of peak memory."""
    working_bytes: Callable[[Session], int] | None = None
    """Most that a program needs beside weights and state, as its compiler says; None: what was resident."""
    options: Callable[[], dict[str, Any]] | None = None
    """What sessions are opened with, where that is worth telling."""
    counter: Callable[[], tuple[Counter | None, str]] | None = None
    """A counter of energy, or why there is none; None where the runtime has nothing to say about it."""
    device: Callable[[], dict[str, str]] = lambda: {"platform": "cpu", "kind": "cpu"}
    """The `platform` that it computes on, and which `kind` of it."""


def find_sessions(name: str) -> Sessions:
    """What a runtime gives, by `package.module:NAME`."""
    module, _, attribute = name.partition(":")
    sessions: Sessions = getattr(import_module(module), attribute)
    return sessions


def run_once(session: Session) -> bool:
    """Read the prompt and one token; whether the peak of resident memory is that of this alone."""
    trim()
    reset = reset_peak()
    session.clear()
    session.prefill()
    session.go_on()
    return reset


class Turns:
    """A session and copies of it that take turns, one token each.

    A small model would decode from the cache, where a large one does not. With turns, each token goes through
    other weights and another state, as it would through the next blocks of a large model: the runtime's code
    and its activations lie in the cache, weights and states do not.
    """

    def __init__(self, session: Session, model_bytes: int) -> None:
        """The session's prompt has just been read; `model_bytes` are those of its weights and state."""
        number = min(MOST_MODEL_COPIES, STREAM_BYTES // model_bytes)
        self._copies: list[Session] = []
        self._next = deque([session])
        try:
            for _ in range(number):
                self._copies.append(session.copy())
            self._next.extend(self._copies)
            for _ in range(number + 1):  # once each, which allocates what a token needs
                self.turn()
                self.decode()
        except BaseException:
            self.close()
            raise

    def turn(self) -> None:
        """Go on to the next of them, and make room for its token."""
        self._next.rotate(-1)
        self._next[0].step_back()

    def decode(self) -> None:
        """Read one token with the session whose turn it is."""
        self._next[0].decode()

    def close(self) -> None:
        """Close the copies."""
        for copy in self._copies:
            copy.close()
