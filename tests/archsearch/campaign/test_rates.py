"""Successive halving over learning rates: how long each is tried, and who goes on."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsearch.campaign.rates import CLOSE_NATS, MOST_CLOSE, SHORTEST_STAGE_STEPS, Stage, close, race, stages


def test_the_better_half_goes_on() -> None:
    assert stages(80, 4) == (Stage(20, 4), Stage(40, 2), Stage(80, 1))
    assert stages(160, 6) == (Stage(20, 6), Stage(40, 3), Stage(80, 2), Stage(160, 1))


def test_a_short_rung_halves_less_often() -> None:
    assert stages(60, 4) == (Stage(30, 4), Stage(60, 2))
    assert stages(2 * SHORTEST_STAGE_STEPS - 1, 4) == (Stage(39, 4),)
    assert stages(80, 4, shortest=30) == (Stage(40, 4), Stage(80, 2))
    assert stages(1000, 1) == (Stage(1000, 1),)


@given(st.integers(2, 5000), st.integers(1, 40), st.integers(1, 100))
def test_stages_rise_to_the_whole_rung_and_fall_to_few_rates(steps: int, rates: int, shortest: int) -> None:
    made = stages(steps, rates, shortest)
    assert (made[0].rates, made[-1].steps) == (rates, steps)
    assert all(stage.steps >= shortest for stage in made[:-1])
    assert all(after.steps > stage.steps and after.rates < stage.rates for stage, after in pairwise(made))
    if steps >= rates * 2 * shortest:
        assert made[-1].rates == 1, "where there is room, one is left"
        trained = sum(stage.rates * stage.steps for stage in made)
        assert trained <= steps * (1 + len(made)), "not the cost of every rate"


losses = st.none() | st.floats(0.0, 9.0)


@given(st.data())
def test_a_race_trains_the_best_of_each_stage(data: st.DataObject) -> None:
    """Whatever the losses: enough go on, no others, each from the stage before, and the best one wins."""
    counts = [stage.rates for stage in stages(1000, data.draw(st.integers(1, 9)))]
    seen: dict[tuple[int, int], float | None] = {}

    def train(stage: int, rate: int) -> float | None:
        assert (stage, rate) not in seen, "trained twice"
        seen[stage, rate] = data.draw(losses)
        return seen[stage, rate]

    winner = race(counts, train)
    for stage, count in enumerate(counts):
        here = {rate: loss for (s, rate), loss in seen.items() if s == stage}
        alive = [loss for loss in here.values() if loss is not None]
        if stage == 0:
            assert len(here) == count
            continue
        before = {rate: loss for (s, rate), loss in seen.items() if s == stage - 1 and loss is not None}
        assert here.keys() <= before.keys(), "who failed is out"
        left_out = [loss for rate, loss in before.items() if rate not in here]
        assert all(before[rate] <= loss for rate in here for loss in left_out)
        if alive and len(here) > max(count, MOST_CLOSE):
            assert len(alive) == 1, "more go on only where all others failed"
        assert not here or len(here) >= min(count, len(before))
    finals = {rate: loss for (s, rate), loss in seen.items() if s == len(counts) - 1 and loss is not None}
    assert winner == (min(finals, key=finals.__getitem__) if finals else None)


def test_a_close_second_goes_on_beside_the_best() -> None:
    trained: Counter[int] = Counter()

    def train(stage: int, rate: int) -> float:
        trained[stage] += 1
        return [2.0, 2.0 + CLOSE_NATS / 2, 2.0 + CLOSE_NATS / 2, 5.0][rate] - (stage == 2 and rate == 1)

    assert race([4, 2, 1], train) == 1, "the one that is better for longer trainings wins"
    assert trained == {0: 4, 1: 2, 2: 2}


def test_where_the_best_diverges_the_next_one_takes_its_place() -> None:
    def train(stage: int, rate: int) -> float | None:
        return None if stage == 1 and rate < 2 else float(rate)

    assert race([4, 1], train) == 2
    assert race([4, 1], lambda *_: None) is None
    assert race([4, 1], lambda stage, _: None if stage else 1.0) is None


@pytest.mark.parametrize(
    ("ordered", "number"),
    [([1.0], 1), ([1.0, 1.0, 1.0], MOST_CLOSE), ([1.0, 1.1], 1), ([1.0, 1.02, 1.02], 2), ([], 0)],
)
def test_close_losses(ordered: list[float], number: int) -> None:
    assert close(ordered) == number
