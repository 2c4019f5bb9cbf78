"""Learning rates: for how long each is tried, and which of them go on.

At the first rung all rates train for a share of its steps, the better half by validation loss goes on from
the state before its decay, and so on until one is left for the whole rung: successive halving (Jamieson and
Talwalkar, arXiv 1502.07943, section 2; Li et al., arXiv 1603.06560, algorithm 1), here over rates that have
their weights and their data in common.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SHORTEST_STAGE_STEPS = 20
"""Fewest steps after which rates are compared; before, the loss follows the warm-up more than the rate."""

CLOSE_NATS = 0.03
"""Validation losses this close to the best do not tell two rates apart: another seed changes as much.

It is the standard deviation between seeds of one layout, measured with the quick start's text, width and 120
steps (0.04 bits a byte). Larger rates gain early and smaller ones late, so of two that are close at a rung
the better one may be the other at the next.
"""

MOST_CLOSE = 2
"""Most rates that a rung of several is trained at to the end, or that the next one takes over."""


@dataclass(frozen=True)
class Stage:
    """A part of a rung, after which rates are compared."""

    steps: int
    """Steps from the start of the training."""
    rates: int
    """How many rates train for so long; one more where two are close."""


def stages(steps: int, rates: int, shortest: int = SHORTEST_STAGE_STEPS) -> tuple[Stage, ...]:
    """The stages of a rung: half as many rates for twice as many steps, down to one rate for all `steps`.

    No stage has fewer than `shortest` steps, so a short rung halves less often, or keeps all rates.
    """
    halvings = 0
    while 2**halvings < rates and steps >> halvings + 1 >= shortest:
        halvings += 1
    return tuple(
        Stage(steps >> halvings - index, math.ceil(rates / 2**index)) for index in range(halvings + 1)
    )


def close(losses: Sequence[float]) -> int:
    """How many of these losses, lowest first, do not differ from the first: at most `MOST_CLOSE`."""
    return sum(loss <= losses[0] + CLOSE_NATS for loss in losses[:MOST_CLOSE])


def race(counts: Sequence[int], train: Callable[[int, int], float | None]) -> int | None:
    """Train rates by successive halving and return the index of the best; None where every one failed.

    `counts` says how many rates each stage takes, `train(stage, rate)` gives a validation loss in nats, or
    None for a training that failed. Where one rate is to go on, a second that is close goes with it. Where
    all that went on fail, the next best of the stage before takes their place.
    """
    order, close_ones = list(range(counts[0])), 0
    for stage, count in enumerate(counts):
        losses: dict[int, float] = {}
        for place, rate in enumerate(order):
            if place >= max(count, close_ones) and losses:
                break
            if (loss := train(stage, rate)) is not None:
                losses[rate] = loss
        order = sorted(losses, key=losses.__getitem__)
        close_ones = close([losses[rate] for rate in order])
    return order[0] if order else None
