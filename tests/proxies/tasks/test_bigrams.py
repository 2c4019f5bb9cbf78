"""Bigrams of text: what plain counting gives, never worse than unigrams, sparse in large vocabularies."""

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from genomes.errors import InvalidInput
from proxies.tasks import make_task
from proxies.tasks.baselines import STRENGTHS, best_baseline, questions, unchanging
from proxies.tasks.batch import Batch
from proxies.tasks.bigrams import bigram
from support.texts import text


def written(rng: np.random.Generator, length: int, vocabulary: int) -> np.ndarray:
    """A text in which a token tells much of the next."""
    tokens = rng.integers(0, vocabulary, length)
    for place in range(1, length):
        if rng.random() < 0.7:
            tokens[place] = (tokens[place - 1] * 3 + 1) % vocabulary
    return tokens


def test_bigrams_are_those_of_plain_counting() -> None:
    rng = np.random.default_rng(0)
    tokens, held_out = written(rng, 400, 12), written(rng, 60, 14)
    counts = np.bincount(tokens, minlength=14)
    unigram = unchanging("unigram", counts, 14)
    predictor = bigram(tokens, counts, unigram)

    pairs, heads = Counter(pairwise(tokens)), Counter(tokens[:-1])
    alone = lambda y, left_out: (  # noqa: E731
        (counts[y] - left_out + unigram.strength / 14) / (400 - left_out + unigram.strength)
    )
    losses = []
    for s in STRENGTHS:  # each pair predicted from all others
        chances = [(pairs[x, y] - 1 + s * alone(y, 1)) / (heads[x] - 1 + s) for x, y in pairwise(tokens)]
        losses.append(-np.log(chances).sum())
    assert predictor.strength == STRENGTHS[int(np.argmin(losses))]

    batch = Batch(held_out[None, :-1], held_out[None, 1:], np.ones((1, 59)))
    chance, right = predictor(questions([batch], "next_token", range(14)))
    for place, (x, y) in enumerate(pairwise(held_out)):
        s = predictor.strength
        assert chance[place] == pytest.approx((pairs[x, y] + s * alone(y, 0)) / (heads[x] + s))
        followers = {b: n for (a, b), n in pairs.items() if a == x} or dict(enumerate(counts))
        leaders = [token for token, n in followers.items() if n == max(followers.values())]
        assert right[place] == pytest.approx(leaders.count(y) / len(leaders))
    assert heads[12] == heads[13] == 0 and {12, 13} & set(held_out.tolist()), "unseen tokens are asked too"


@pytest.mark.parametrize("vocabulary", [300, 65_536, 70_000])
def test_few_of_many_pairs_are_kept(vocabulary: int) -> None:
    tokens = np.tile([0, vocabulary - 1, 7], 1000).astype(np.int32)
    counts = np.bincount(tokens, minlength=vocabulary)
    predictor = bigram(tokens, counts, unchanging("unigram", counts, vocabulary))
    batch = Batch(tokens[None, :-1], tokens[None, 1:], np.ones((1, 2999)))
    chance, right = predictor(questions([batch], "next_token", range(vocabulary)))
    assert (right == 1).all()
    assert (chance > 0.99).all()


def test_bigrams_of_real_text_are_the_best_trivial_answer() -> None:
    task = make_task("text", 64, {})
    known = {each.name: each for each in task.baselines([task.batch("test", 0, i, 16) for i in range(20)])}
    assert set(known) == {"unigram", "bigram", "commonest so far", "copy of the last"}
    best = best_baseline("text", tuple(known.values()))
    assert best.name == "bigram"
    assert best.loss < known["unigram"].loss < math.log(256)
    assert best.accuracy > known["unigram"].accuracy


def test_text_that_a_trivial_answer_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("xy" * 5000)
    task = text(tmp_path)
    known = task.baselines([task.batch("test", 0, 0, 8)])
    with pytest.raises(InvalidInput, match=r"task text: the trivial answer 'bigram' has a loss of .* nats"):
        best_baseline(task.name, known)
