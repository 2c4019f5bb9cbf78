"""Trivial answers to a task, which a score is measured from: 0 at the best of them, 1 at perfect.

All are causal, are fitted on training data alone, and are measured on the very tokens that trials are judged
on. Each counts something and falls back on another where it has counted little: a target has the chance
(count + s * chance of the fallback) / (total + s), the posterior mean under a Dirichlet prior (MacKay and
Peto, A hierarchical Dirichlet language model, 1995), with the strength s that training data like best. Ties
for the commonest are broken at random, in expectation.

Axes: N rows, T places, J judged tokens, V tokens of the vocabulary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from genomes.errors import InvalidInput
from proxies.tasks.batch import Batch, Readout

METRIC = "above_baseline"
"""Name of what a score counts."""

STRENGTHS = 2.0 ** np.arange(-12, 25)
"""Strengths that are tried, in tokens."""

EASIEST_NATS = 0.01
"""Loss below which a trivial answer leaves nothing to learn."""


@dataclass(frozen=True)
class Baseline:
    """A trivial answer, and how good it is on the tokens that trials are judged on."""

    name: str
    loss: float  # nats a judged token
    accuracy: float


@dataclass(frozen=True, eq=False)
class Questions:
    """The judged tokens of batches: J places, how far each may read, and what is right."""

    tokens: NDArray[np.int64]  # N T
    countable: NDArray[np.bool_]  # N T, whether a token can be a target
    row: NDArray[np.intp]  # J
    place: NDArray[np.intp]  # J
    last: NDArray[np.intp]  # J, the last place that may be read
    target: NDArray[np.int64]  # J
    answers: range
    readout: Readout


class Counted(NamedTuple):
    """What was counted for each question."""

    hits: NDArray[np.integer]  # J, of the target
    total: NDArray[np.integer]  # J, of all targets that can be
    right: NDArray[np.float64]  # J, whether the target is the commonest; among k equals 1 / k


class Guesses(NamedTuple):
    """The chance that each target is predicted with, and whether it is the first guess."""

    chance: NDArray[np.float64]  # J
    right: NDArray[np.float64]  # J


@dataclass(frozen=True, eq=False)
class Predictor:
    """Predicts by counts, and by a fallback as far as they are few."""

    name: str
    counted: Callable[[Questions], Counted]
    fallback: Callable[[Questions], Guesses]
    strength: float

    def __call__(self, questions: Questions) -> Guesses:
        """Chance and first guess of each question."""
        hits, total, right = self.counted(questions)
        chance, otherwise = self.fallback(questions)
        mixed = (hits + self.strength * chance) / (total + self.strength)
        return Guesses(mixed, np.where(total > 0, right, otherwise))


@dataclass(frozen=True, eq=False)
class TrivialAnswers:
    """The fitted predictors of a task."""

    readout: Readout
    answers: range
    predictors: tuple[Predictor, ...]


def score(loss: float, baseline: Baseline) -> float:
    """1 for no loss, 0 at the baseline's, below 0 beyond it."""
    return 1 - loss / baseline.loss


def best_baseline(task: str, known: Sequence[Baseline]) -> Baseline:
    """The one of the lowest loss. Raises `InvalidInput` where there is none that a score can start from."""
    todo = "let the task's method baselines(batches) return what trivial answers get on them"
    if not known:
        raise InvalidInput(f"task {task}: no baseline; legal: one or more; {todo}")
    for each in known:
        if not (math.isfinite(each.loss) and 0 <= each.accuracy <= 1):
            raise InvalidInput(f"task {task}: {each}; legal: a finite loss, an accuracy from 0 to 1; {todo}")
    best = min(known, key=lambda each: each.loss)
    if best.loss < EASIEST_NATS:
        raise InvalidInput(
            f"task {task}: the trivial answer {best.name!r} has a loss of {best.loss:.2g} nats a token; "
            f"legal: {EASIEST_NATS} or more, or nothing is left to learn; use more varied data or settings"
        )
    return best


@lru_cache(maxsize=32)
def measured(trivial: TrivialAnswers, batches: tuple[Batch, ...]) -> tuple[Baseline, ...]:
    """Loss and accuracy of each predictor; kept for the trials that follow on the same batches."""
    asked = questions(batches, trivial.readout, trivial.answers)
    known = []
    for predictor in trivial.predictors:
        chance, right = predictor(asked)
        known.append(Baseline(predictor.name, float(-np.log(chance).mean()), float(right.mean())))
    return tuple(known)


def questions(batches: Sequence[Batch], readout: Readout, answers: range) -> Questions:
    """What batches of one length ask. Raises `InvalidInput` for a target that is none of the answers."""
    tokens, targets, weights = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("tokens", "targets", "weights")
    )
    row, place = np.nonzero(weights)
    target = targets[row, place].astype(np.int64)
    if outside := set(np.unique(target)) - set(answers):
        raise InvalidInput(f"answers = {answers}; legal: all judged targets, such as {min(outside)}")
    last = place if readout == "next_token" else np.full_like(place, tokens.shape[1] - 1)
    countable = (tokens >= answers.start) & (tokens < answers.stop)
    return Questions(tokens.astype(np.int64), countable, row, place, last, target, answers, readout)


def in_row(counts: NDArray[np.int64], training: Questions) -> TrivialAnswers:
    """The trivial answers that any task has.

    `counts` (V) tells how often each token was a target in training: the answer that never changes. The
    others count the tokens of the row that can be targets, all that may be read or the last alone, and fall
    back on the first.
    """
    constant = unchanging("constant", counts, len(training.answers))
    return TrivialAnswers(training.readout, training.answers, (constant, *row_counters(constant, training)))


def row_counters(fallback: Predictor, training: Questions) -> tuple[Predictor, Predictor]:
    """The commonest token of the row so far, and the last one again."""
    common = "commonest so far" if training.readout == "next_token" else "commonest of the row"

    def fitted(name: str, counted: Callable[[Questions], Counted]) -> Predictor:
        count, total, _ = counted(training)
        return Predictor(name, counted, fallback, best_strength(count, total, fallback(training).chance))

    return fitted(common, commonest), fitted("copy of the last", last_again)


def unchanging(name: str, counts: NDArray[np.int64], choices: int) -> Predictor:
    """The same distribution over V tokens everywhere, `choices` of which can be targets.

    Fitted by leaving each token out in turn.
    """
    held = counts[counts > 0]
    total = counts.sum()
    strength = best_strength(held - 1, total - 1, np.float64(1 / choices), held)
    commonest_of_all = counts == counts.max()

    def counted(asked: Questions) -> Counted:
        right = commonest_of_all[asked.target] / commonest_of_all.sum()
        return Counted(counts[asked.target], np.full(len(right), total), right)

    def uniform(asked: Questions) -> Guesses:
        chance = np.full(len(asked.target), 1 / choices)
        return Guesses(chance, chance)

    return Predictor(name, counted, uniform, strength)


def commonest(asked: Questions) -> Counted:
    """Counts of what the row holds up to where may be read."""
    everywhere = np.indices(asked.tokens.shape)
    nth = occurrences(asked.tokens, everywhere[0], asked.tokens, everywhere[1]) * asked.countable
    most = np.maximum.accumulate(nth, axis=1)
    # A token is among the commonest from where it comes level with them until they are outrun.
    level = ((nth == most) & asked.countable).cumsum(axis=1)
    outrun = np.diff(most, axis=1, prepend=0) > 0
    tied = level - np.maximum.accumulate(np.where(outrun, level - 1, 0), axis=1)
    here = asked.row, asked.last
    count = occurrences(asked.tokens, asked.row, asked.target, asked.last)
    right = (count == most[here]) / np.maximum(tied[here], 1)
    return Counted(count, asked.countable.cumsum(axis=1)[here], right)


def last_again(asked: Questions) -> Counted:
    """The last token that can be a target, taken for the next one.

    A reader of the whole row is asked for that token itself, at its own place, and knows nothing elsewhere.
    """
    places = np.where(asked.countable, np.arange(asked.tokens.shape[1]), -1)
    newest = np.maximum.accumulate(places, axis=1)[asked.row, asked.last]
    known = newest >= 0
    if asked.readout == "last_token":
        known &= newest == asked.place
    same = known & (asked.tokens[asked.row, newest] == asked.target)
    return Counted(same.astype(np.int64), known.astype(np.int64), same.astype(np.float64))


def occurrences(
    tokens: NDArray[np.int64], row: NDArray[np.intp], token: NDArray[np.int64], last: NDArray[np.intp]
) -> NDArray[np.intp]:
    """How often each `token` stands in its row of `tokens` (N T) up to the place `last`, itself included."""
    rows, length = tokens.shape
    vocabulary = max(tokens.max(), token.max()) + 1
    known = (np.arange(rows)[:, None] * vocabulary + tokens) * length + np.arange(length)
    known = np.sort(known, axis=None)
    first = (row * vocabulary + token) * length
    counts: NDArray[np.intp] = np.searchsorted(known, first + last, "right") - np.searchsorted(known, first)
    return counts


def best_strength(
    count: NDArray[np.integer],
    total: NDArray[np.integer] | np.integer,
    chance: NDArray[np.float64] | np.float64,
    times: NDArray[np.integer] | int = 1,
) -> float:
    """The strength of least loss, where what was counted `count` of `total` came `times` times."""
    likelihoods = [(times * np.log((count + s * chance) / (total + s))).sum() for s in STRENGTHS]
    return float(STRENGTHS[int(np.argmax(likelihoods))])
