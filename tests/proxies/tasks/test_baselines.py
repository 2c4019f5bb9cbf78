"""Trivial answers: as counted by plain loops, fitted on training data, and what scores start from."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomes.errors import InvalidInput
from proxies.tasks import TASKS, Baseline, Batch, InContextRecall, Task, make_task
from proxies.tasks.baselines import (
    STRENGTHS,
    Guesses,
    Predictor,
    best_baseline,
    best_strength,
    commonest,
    in_row,
    last_again,
    questions,
    score,
    unchanging,
)
from proxies.tasks.batch import Readout

READOUTS: tuple[Readout, ...] = ("next_token", "last_token")


def held_out(task: Task, count: int = 60, size: int = 16) -> list[Batch]:
    return [task.batch("test", 0, index, size) for index in range(count)]


def by_name(task: Task, batches: list[Batch]) -> dict[str, Baseline]:
    return {each.name: each for each in task.baselines(batches)}


@st.composite
def asked(draw: st.DrawFn) -> tuple[Batch, Readout, range]:
    """Any batch: few tokens, so that many are equally common; answers are some of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, length, vocabulary = draw(st.integers(1, 4)), draw(st.integers(1, 20)), draw(st.integers(1, 6))
    low = draw(st.integers(0, vocabulary - 1))
    answers = range(low, draw(st.integers(low + 1, vocabulary)))
    tokens = rng.integers(0, vocabulary, (rows, length)).astype(np.int32)
    targets = rng.integers(answers.start, answers.stop, (rows, length)).astype(np.int32)
    weights = rng.integers(0, 2, (rows, length)).astype(np.float32)
    weights[0, -1] = 1
    return Batch(tokens, targets, weights), draw(st.sampled_from(READOUTS)), answers


Row = tuple[int, int, float]
"""Count of the target, of all, and whether it is the first guess."""


def plainly(batch: Batch, readout: Readout, answers: range) -> Iterator[tuple[Row, Row]]:
    """What there is to count for each judged token: all of the row that may be read, and its last."""
    for tokens, targets, weights in zip(
        batch.tokens.tolist(), batch.targets.tolist(), batch.weights, strict=True
    ):
        for place in np.flatnonzero(weights):
            target = targets[place]
            places = range(place + 1 if readout == "next_token" else len(tokens))
            legal = [each for each in places if tokens[each] in answers]
            times = Counter(tokens[each] for each in legal)
            leaders = [token for token, count in times.items() if count == max(times.values())]
            right = leaders.count(target) / max(len(leaders), 1)
            last = legal[-1:] if readout == "next_token" or legal[-1:] == [place] else []
            same = int([tokens[each] for each in last] == [target])
            yield (times[target], len(legal), right), (same, len(last), float(same))


@given(asked())
def test_counts_are_those_of_plain_loops(case: tuple[Batch, Readout, range]) -> None:
    batch, readout, answers = case
    rows = list(plainly(batch, readout, answers))
    both = questions([batch], readout, answers)
    for counted, expected in zip((commonest(both), last_again(both)), zip(*rows, strict=True), strict=True):
        known = [row[1] > 0 for row in expected]
        assert counted.hits.tolist() == [row[0] for row in expected]
        assert counted.total.tolist() == [row[1] for row in expected]
        assert counted.right[known] == pytest.approx([row[2] for row in expected if row[1]])


def test_batches_are_asked_one_after_the_other() -> None:
    task = make_task("fuzzy-recall", 40, {})
    batches = held_out(task, 3, 4)
    together = commonest(questions(batches, task.readout, range(8, 16)))
    apart = [commonest(questions([batch], task.readout, range(8, 16))) for batch in batches]
    for name in ("hits", "total", "right"):
        joined = np.concatenate([getattr(each, name) for each in apart])
        np.testing.assert_array_equal(getattr(together, name), joined)


def test_a_constant_answer_is_the_smoothed_distribution_of_training() -> None:
    counts = np.array([0, 5, 3, 0, 5, 1])
    predictor = unchanging("constant", counts, 6)
    strength = predictor.strength
    without = []
    for s in STRENGTHS:  # each token predicted from all others
        tokens = np.repeat(np.arange(6), counts)
        without.append(-sum(math.log((counts[t] - 1 + s / 6) / (13 + s)) for t in tokens))
    assert strength == STRENGTHS[int(np.argmin(without))]
    ones = np.ones((1, 6))
    chance, right = predictor(questions([Batch(ones, np.arange(6)[None], ones)], "next_token", range(6)))
    assert chance == pytest.approx([(n + strength / 6) / (14 + strength) for n in counts])
    assert chance.sum() == pytest.approx(1)
    assert right.tolist() == [0, 0.5, 0, 0, 0.5, 0]


def test_a_predictor_falls_back_as_far_as_it_has_counted_little() -> None:
    batch = Batch(*(np.array([row]) for row in ([0, 5, 5, 4], [4, 5, 4, 5], [1, 1, 1, 1])))
    both = questions([batch], "next_token", range(4, 6))
    fallback = lambda each: Guesses(np.full(4, 0.25), np.full(4, 0.125))  # noqa: ARG005, E731
    chance, right = Predictor("p", commonest, fallback, 2.0)(both)
    assert chance == pytest.approx([0.25, (1 + 0.5) / 3, 0.5 / 4, (2 + 0.5) / 5])
    assert right.tolist() == [0.125, 1, 0, 1]


@given(st.integers(0, 2**32))
def test_the_strength_is_the_best_of_those_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = rng.integers(0, 9, 30)
    count = rng.integers(0, total + 1)
    losses = [-np.log((count + s * 0.1) / (total + s)).mean() for s in STRENGTHS]
    assert best_strength(count, total, np.float64(0.1)) == STRENGTHS[int(np.argmin(losses))]


def test_a_constant_sequence_is_predicted_by_all() -> None:
    same = np.full((4, 12), 7, np.int32)
    batch = Batch(same, same, np.ones(same.shape, np.float32))
    for readout in READOUTS:
        training = questions([batch], readout, range(16))
        trivial = in_row(np.bincount(training.target, minlength=16), training)
        for predictor in trivial.predictors:
            chance, right = predictor(training)
            assert (right == 1).all()
            assert (chance > 0.99).all()


# Tasks


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return make_task(request.param, 32, {})


def test_every_task_has_baselines_better_than_chance(task: Task) -> None:
    batches = held_out(task)
    known = task.baselines(batches)
    assert len({each.name for each in known}) == len(known) >= 3
    best = best_baseline(task.name, known)
    assert 0 < best.loss < math.log(task.vocab_size)
    assert score(0.0, best) == 1
    assert score(best.loss, best) == 0
    assert score(math.log(task.vocab_size), best) < 0


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"text"}))
def test_a_model_that_is_uniform_over_what_can_be_a_target_has_no_score(name: str) -> None:
    task = make_task(name, 32, {})
    batches = held_out(task)
    constant = by_name(task, batches)["constant"]
    choices = len(np.unique(np.concatenate([b.targets[b.weights > 0] for b in batches])))
    assert constant.loss == pytest.approx(math.log(choices), abs=0.01)
    assert constant.accuracy == pytest.approx(1 / choices, abs=0.02)
    assert score(math.log(choices), best_baseline(name, task.baselines(batches))) < 1e-3


def test_the_same_batches_are_measured_once(task: Task) -> None:
    batches = held_out(task, 3)
    first = task.baselines(batches)
    assert make_task(task.name, 32, {}).baselines(batches) is first
    assert task.baselines(held_out(task, 3)) == first
    assert task.baselines(batches[:2]) != first


@pytest.mark.parametrize(("name", "accuracy"), [("in-context-recall", 0.324), ("fuzzy-recall", 0.300)])
def test_values_so_far_answer_many_questions_of_recall(name: str, accuracy: float) -> None:
    known = by_name(make_task(name, 64, {}), held_out(make_task(name, 64, {})))
    assert known["commonest so far"].accuracy == pytest.approx(accuracy, abs=0.02)
    assert min(known.values(), key=lambda each: each.loss).name == "commonest so far"
    assert known["constant"].accuracy < 0.15


def test_the_last_token_is_all_that_a_state_without_memory_knows() -> None:
    task = make_task("compression", 4, {"vocab_size": 4})
    known = by_name(task, held_out(task))
    assert known["copy of the last"].loss == pytest.approx(math.log(4) * 3 / 4, abs=0.01)
    assert known["copy of the last"].accuracy == pytest.approx((1 + 3 / 4) / 4, abs=0.02)
    assert {"constant", "commonest of the row"} < known.keys()


def test_a_pool_knows_how_often_each_token_occurs() -> None:
    """Which is the entropy of the row's own counts."""
    task = make_task("compression", 64, {})
    batches = held_out(task)
    shares = np.stack([np.bincount(row, minlength=16) / 64 for batch in batches for row in batch.tokens])
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1).mean()
    known = by_name(task, batches)["commonest of the row"]
    assert entropy < known.loss < entropy + 0.02
    assert known.accuracy == pytest.approx(shares.max(axis=1).mean())


@pytest.mark.parametrize(("length", "vocab_size"), [(64, 65536), (2048, 128)])
def test_large_vocabularies_and_long_rows(length: int, vocab_size: int) -> None:
    task = make_task("in-context-recall", length, {"vocab_size": vocab_size})
    known = by_name(task, held_out(task, 4, 8))
    assert known["constant"].loss == pytest.approx(math.log(vocab_size / 2), abs=0.01)
    assert known["commonest so far"].loss < known["constant"].loss


# What is refused


@dataclass(frozen=True)
class Wrong(InContextRecall):
    name: ClassVar[str] = "wrong"

    @property
    def answers(self) -> range:
        return range(4)


def test_a_target_beyond_the_answers_is_refused() -> None:
    task = Wrong(32)
    with pytest.raises(InvalidInput, match=r"task wrong: answers = range\(0, 4\); legal: all .* such as 8"):
        task.baselines([task.batch("test", 0, 0, 4)])


@dataclass(frozen=True)
class Bare:
    name: ClassVar[str] = "bare"
    length: int


def test_a_task_class_without_baselines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "bare", Bare)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"task bare: .*Bare has no baselines; legal: .*Generated"):
        make_task("bare", 32, {})


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ([], "no baseline; legal: one or more"),
        ([Baseline("a", 1.0, 0.1), Baseline("b", math.nan, 0.1)], "'b', loss=nan.*legal: a finite loss"),
        ([Baseline("a", math.inf, 0.1)], "loss=inf.*legal: a finite loss"),
        ([Baseline("a", 1.0, 1.5)], "accuracy=1.5.*from 0 to 1"),
        ([Baseline("a", 1.0, 0.1), Baseline("b", 1e-5, 1.0)], "'b' has a loss of 1e-05 .*more varied data"),
    ],
)
def test_nothing_is_scored_from_a_baseline_that_is_none(known: list[Baseline], why: str) -> None:
    with pytest.raises(InvalidInput, match=f"task mine: .*{why}"):
        best_baseline("mine", known)
