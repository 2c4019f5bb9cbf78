"""Quality by hand: its scale, its error, and what a task has in it."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsearch.campaign.quality import (
    LEAST_DIVISOR,
    RungScale,
    ZeroPoint,
    pooled_deviation,
    quality,
    quality_error,
    shares,
    task_scale,
)

MAJORITY = ZeroPoint("majority", 2.0, 0.125)
scores = st.floats(-1, 1).map(lambda x: round(x, 6))


def scale_of(*references: tuple[float, ...]):
    return task_scale(references, MAJORITY, resolution=0.01)


def test_the_noise_is_pooled_over_what_replicates_differ_within_a_reference() -> None:
    assert pooled_deviation([(1.0, 3.0), (5.0,), (0.0, 0.0, 3.0)]) == pytest.approx(math.sqrt((2 + 6) / 3))
    assert pooled_deviation([(1.0,), (2.0,)]) is None


def test_one_unit_is_the_deviation_between_references_or_the_noise_of_one_training() -> None:
    apart = scale_of((0.1, 0.2), (0.4, 0.5), (0.7, 0.8))
    assert (apart.divided_by, apart.divisor) == (
        "deviation",
        pytest.approx(statistics.stdev([0.15, 0.45, 0.75])),
    )
    assert apart.mean == pytest.approx(0.45)
    close = scale_of((0.1, 0.3), (0.2, 0.4), (0.1, 0.3))
    assert (close.divided_by, close.divisor) == ("noise", pytest.approx(math.sqrt(0.02)))
    equal = scale_of((0.9, 0.9), (0.9, 0.9), (0.9, 0.9))
    assert (equal.divided_by, equal.divisor) == ("resolution", LEAST_DIVISOR)


def test_fewer_than_three_references_have_no_deviation_so_the_noise_is_the_unit() -> None:
    two = scale_of((0.1, 0.12), (0.9, 0.92))
    assert two.deviation is None
    assert (two.divided_by, two.divisor) == ("noise", pytest.approx(0.02 / math.sqrt(2)))


def test_scores_of_before_keep_their_rule() -> None:
    """The population deviation, at least the resolution, and always a weight."""
    apart = task_scale([(-3.0,), (-5.0,)], None, resolution=0.01)
    assert (apart.mean, apart.divisor, apart.divided_by) == (-4.0, 1.0, "deviation")
    close = task_scale([(0.2,), (0.202,)], None, resolution=0.01)
    assert (close.divisor, close.divided_by) == (0.01, "resolution")
    assert apart.mastered and close.mastered


@pytest.mark.parametrize(("best", "mastered"), [(0.2, False), (0.29, False), (0.31, True)])
def test_a_task_is_mastered_where_a_reference_beats_the_baseline_by_more_than_noise(best, mastered) -> None:
    noise = 0.3
    half = noise / math.sqrt(2)
    scale = scale_of((best - half, best + half), (-half, half), (-half, half))
    assert scale.noise == pytest.approx(noise)
    assert scale.mastered == mastered


def test_quality_is_a_weighted_mean_and_its_error_falls_with_replicates() -> None:
    tasks = {
        "a": scale_of((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)),
        "b": scale_of((0.1, 0.3), (0.1, 0.3), (0.1, 0.3)),
    }
    scale = RungScale(tasks, {"a": 3.0, "b": 1.0})
    by_hand = (3 * (0.9 - 0.5) / 0.4 + (0.4 - 0.2) / math.sqrt(0.02)) / 4
    assert quality({"a": 0.9, "b": 0.4}, scale) == pytest.approx(by_hand)
    once, often = quality_error({"a": 1, "b": 1}, scale), quality_error({"a": 4, "b": 4}, scale)
    noise = math.sqrt(0.02)
    assert once == pytest.approx(math.hypot(0.75 * noise / 0.4, 0.25))
    assert often == pytest.approx(once / 2)


def test_a_task_without_weight_says_nothing_of_quality_nor_of_its_error() -> None:
    tasks = {"a": scale_of((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)), "b": task_scale([(0.1,)], None, 0.01)}
    scale = RungScale(tasks, {"a": 2.0, "b": 0.0})
    assert quality({"a": 0.5, "b": 77.0}, scale) == pytest.approx(0.0)
    assert quality_error({"a": 1, "b": 1}, scale) == pytest.approx(math.sqrt(0.02) / 0.4)
    assert quality_error({"a": 1, "b": 1}, RungScale(tasks, {"a": 1.0, "b": 1.0})) is None
    nothing = RungScale(tasks, {"a": 0.0, "b": 0.0})
    assert quality({"a": 0.5, "b": 0.5}, nothing) is None
    assert quality_error({"a": 1, "b": 1}, nothing) is None


@given(st.lists(st.tuples(scores, scores), min_size=2, max_size=12), st.floats(0.1, 5))
def test_shares_of_the_spread_sum_to_one(rows, weight) -> None:
    task = scale_of((0.0, 0.2), (0.4, 0.6), (0.8, 1.0))
    scale = RungScale({"a": task, "b": task, "idle": task}, {"a": 1.0, "b": weight, "idle": 0.0})
    candidates = [{"a": a, "b": b, "idle": 0.5} for a, b in rows]
    parts = shares(candidates, scale)
    qualities = [quality(each, scale) for each in candidates]
    if max(qualities) - min(qualities) > 1e-3:
        assert sum(parts.values()) == pytest.approx(1, abs=1e-6)
        assert parts["idle"] == 0
    if len({b for _, b in rows}) == 1 and parts:
        assert parts["a"] == pytest.approx(1)


def test_what_does_not_differ_has_no_shares() -> None:
    scale = RungScale({"a": scale_of((0.0, 0.2), (0.4, 0.6), (0.8, 1.0))}, {"a": 1.0})
    assert shares([{"a": 0.5}, {"a": 0.5}], scale) == {}
    assert shares([{"a": 0.5}], scale) == {}
