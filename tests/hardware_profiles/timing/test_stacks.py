"""Stacks: how a block's time comes out of their differences, by sessions that take made-up times."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genomes import Architecture, Operator, Scale, SwiGLU, parse_layout
from genomes.operators import Skip
from hardware_profiles import Workload
from hardware_profiles.cases import HEAD, Case
from hardware_profiles.timing import stacks as rooms
from hardware_profiles.timing.session import Loaded, PeakMemory, Sessions
from hardware_profiles.timing.stacks import NOISE_SHARE, Stacks

HEAD_S, BLOCK_S, SMALLEST_S = 1e-3, 3e-3, 5e-4
ATTENTION = parse_layout("attention").blocks[0].at(Scale(width=64, head_dim=32))
SMALLEST = SwiGLU(hidden=32)


class Silent:
    """A session of an architecture that takes no time."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def clear(self) -> None: ...
    def prefill(self) -> None: ...
    def go_on(self) -> None: ...
    def step_back(self) -> None: ...
    def decode(self) -> None: ...
    def close(self) -> None: ...

    def at_depth(self, depth: int) -> Callable[[], None]:
        raise NotImplementedError

    def logits(self) -> np.ndarray:
        return np.zeros((1, 1))

    def copy(self) -> "Silent":
        return Silent(self.architecture)


def seconds(architecture: Architecture) -> float:
    times = {SMALLEST: SMALLEST_S, ATTENTION: BLOCK_S, Skip(): 0.0}
    head = HEAD_S * architecture.vocab_size / 256
    return head + sum(times[block] for block in architecture.blocks)


def stack(block: Operator | None, width: int, vocab_size: int, copies: int) -> Architecture:
    some = Architecture(width=width, vocab_size=vocab_size, blocks=(SMALLEST,))
    blocks = (block or SMALLEST,) * copies if copies else (Skip(),)
    return some.model_copy(update={"blocks": blocks})


SESSIONS = Sessions(
    origin=dict,
    versions=dict,
    load=lambda architecture, *_: Loaded(Silent(architecture), 0),
    stack=stack,
    work=lambda: {"prefill": lambda: None, "decode": lambda: None},
    peak=lambda *_: PeakMemory(10**9, ""),
)
EMPTY = replace(SESSIONS, empty_stacks=True, working_bytes=lambda _: 123)


@pytest.fixture(autouse=True)
def made_up_times(monkeypatch: pytest.MonkeyPatch) -> list[Architecture]:
    """Which stacks were measured; each takes what its blocks would."""
    sampled: list[Architecture] = []

    def sample(session: Any, model_bytes: int, in_cache: bool) -> dict[str, list[float]]:
        del model_bytes, in_cache
        sampled.append(session.architecture)
        return {"prefill": [10 * seconds(session.architecture)], "decode": [seconds(session.architecture)]}

    monkeypatch.setattr(rooms, "_sample", sample)
    return sampled


def case(block: Operator | None, vocab_size: int = 256) -> Case:
    return Case(
        operator=block.name if block else HEAD,
        block=block.to_dict() if block else {},
        width=64,
        vocab_size=vocab_size,
        copies=4 if block else 1,
        context=16,
    )


@pytest.mark.parametrize("sessions", [SESSIONS, EMPTY], ids=["against one", "against none"])
def test_a_block_is_the_difference_of_two_stacks(sessions: Sessions) -> None:
    answer = Stacks(sessions).measured(case(ATTENTION))
    assert answer["decode_s"] == pytest.approx(BLOCK_S)
    assert answer["prefill_s"] == pytest.approx(10 * BLOCK_S)
    assert answer["decode_spread"] == 0 and "cached_s" not in answer


@pytest.mark.parametrize("sessions", [SESSIONS, EMPTY], ids=["against one", "against none"])
def test_the_head_is_what_is_left(sessions: Sessions) -> None:
    answer = Stacks(sessions).measured(case(None, vocab_size=1024))
    assert answer["decode_s"] == pytest.approx(4 * HEAD_S)
    assert answer["working_bytes"] == (123 if sessions.empty_stacks else pytest.approx(1))


def test_what_stands_beside_a_block_is_taken_off() -> None:
    both = replace(SESSIONS, beside=lambda block: block == ATTENTION)
    assert Stacks(both).measured(case(ATTENTION))["decode_s"] == pytest.approx(BLOCK_S - SMALLEST_S)


def test_what_is_lost_in_noise_is_measured_again_and_given_as_little(
    made_up_times: list[Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "ATTEMPTS", 3)
    monkeypatch.setitem(globals(), "BLOCK_S", 0.0)
    answer = Stacks(SESSIONS).measured(case(ATTENTION))
    assert len(made_up_times) == 2 * 3
    assert answer["decode_s"] == pytest.approx(NOISE_SHARE * HEAD_S / 4)


def test_a_stack_is_measured_once(made_up_times: list[Architecture]) -> None:
    stacks = Stacks(EMPTY)
    stacks.measured(case(ATTENTION))
    stacks.measured(case(ATTENTION))
    stacks.measured(case(None))
    assert len(made_up_times) == 2 and Workload(context=16) == case(None).workload


def test_what_the_cache_does_not_hold_of_both_stacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The five layers behind a head may be larger than a stack that the cache just holds."""

    def sample(session: Any, *_: object) -> dict[str, list[float]]:
        token = [seconds(session.architecture)]
        in_cache = {"cached": token} if len(session.architecture.blocks) == 1 else {}
        return {"prefill": token, "decode": token} | in_cache

    monkeypatch.setattr(rooms, "_sample", sample)
    answer = Stacks(SESSIONS).measured(case(None, vocab_size=1024))
    assert answer["decode_s"] == pytest.approx(4 * HEAD_S) and "cached_s" not in answer
