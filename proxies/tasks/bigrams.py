"""Bigrams of a text: each token predicted from the one before it, the strongest trivial answer to text."""

import numpy as np
from numpy.typing import NDArray

from proxies.tasks.baselines import Counted, Predictor, Questions, best_strength


def bigram(tokens: NDArray[np.integer], counts: NDArray[np.int64], unigram: Predictor) -> Predictor:
    """Counts of all neighbours in `tokens`, falling back on the `unigram` that was fitted to `counts` (V).

    Fitted by leaving each pair out in turn. Pairs that occur are all that is kept.
    """
    size = len(counts)
    narrow: type[np.integer] = np.uint32 if size**2 <= 2**32 else np.int64  # half the memory, sorted sooner
    neighbours: NDArray[np.integer] = tokens[:-1].astype(narrow) * size + tokens[1:].astype(narrow)
    kinds, times = np.unique(neighbours, return_counts=True)
    pairs = kinds.astype(np.int64)
    head, follower = np.divmod(pairs, size)
    followers = np.bincount(head, times, minlength=size).astype(np.int64)

    alone = (counts[follower] - 1 + unigram.strength / size) / (counts.sum() - 1 + unigram.strength)
    strength = best_strength(times - 1, followers[head] - 1, alone, times)
    most = np.zeros(size, np.int64)
    np.maximum.at(most, head, times)
    tied = np.bincount(head[times == most[head]], minlength=size)

    def counted(asked: Questions) -> Counted:
        before = asked.tokens[asked.row, asked.place]
        pair = before * size + asked.target
        nearest = np.minimum(np.searchsorted(pairs, pair), len(pairs) - 1)
        count = np.where(pairs[nearest] == pair, times[nearest], 0)
        right = (count == most[before]) / np.maximum(tied[before], 1)
        return Counted(count, followers[before], right)

    return Predictor("bigram", counted, unigram, strength)
