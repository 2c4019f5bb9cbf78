"""Fuzzy in-context recall: keys and values are motifs of several tokens, of varying length.

After the fuzzy in-context recall task of MAD (arXiv 2403.17844). Unlike its reference code, the lengths
vary in training, validation and test alike, and all three judge the same positions.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from proxies.tasks.base import (
    Batch,
    Generated,
    Readout,
    Split,
    require_halves,
    require_int,
    seen_before,
    stream,
)

MAX_PAIRS = 64  # drawing keys that do not clash costs the square of it
_PAD = -1  # fills a motif beyond its end; never reaches a batch


@dataclass(frozen=True)
class FuzzyRecall(Generated):
    """`key value key value ...`, each a motif of 1 to `motif` tokens; half of the tokens make keys.

    Every row draws its own dictionary of `pairs` keys and values, then entries of it uniformly, with
    repetition, cut at the end. No key is the beginning of another, so a reader knows a key that it has met
    as soon as its last token is there, though keys may well share their first tokens; a value ends where it
    ended the first time. Judged: every token of the value of a key that occurred before, the first one at
    the last position of the key. Nothing else can be known: where a key is new its value is free, and which
    key comes next always is. A row without any judged token repeats its first entry at once. Scores start
    from the best trivial answer (`baselines`), such as the commonest of the values' tokens so far.
    """

    name: ClassVar[str] = "fuzzy-recall"
    readout: ClassVar[Readout] = "next_token"
    asks: ClassVar[str] = "the value, of several tokens, that a key of several was paired with"
    generator_version: ClassVar[int] = 1

    motif: int = 3
    pairs: int = 4

    def __post_init__(self) -> None:
        require_halves(self.name, self.vocab_size)
        require_int(self.name, "motif", self.motif, 2, 64, "with single tokens it is in-context-recall")
        most = min(self.vocab_size // 2, MAX_PAIRS)
        require_int(self.name, "pairs", self.pairs, 1, most, f"half the vocabulary, at most {MAX_PAIRS}")
        require_int(self.name, "length", self.length, 3 * self.motif, reason="3 motifs: key, value, key")

    @property
    def answers(self) -> range:
        """The tokens of values."""
        return range(self.vocab_size // 2, self.vocab_size)

    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` sequences: a pure function of the task and these arguments."""
        rng = stream(self.name, split, seed, index, size)
        keys = self._keys(rng, size)
        values = self._motifs(rng, (size, self.pairs), self.vocab_size // 2)
        chosen = rng.integers(0, self.pairs, (size, self.length // 2 + 1))  # an entry is 2 tokens or more
        tokens, judged = self._spell(keys, values, chosen)
        silent = ~judged.any(axis=1)
        if silent.any():
            chosen[silent, 1] = chosen[silent, 0]
            tokens, judged = self._spell(keys, values, chosen)
        return Batch(tokens[:, :-1], tokens[:, 1:], judged.astype(np.float32))

    def _motifs(self, rng: np.random.Generator, shape: tuple[int, ...], low: int) -> NDArray[np.int64]:
        """Motifs (*shape, motif) of uniform length from 1, their tokens in [low, low + vocab_size / 2)."""
        tokens = rng.integers(low, low + self.vocab_size // 2, (*shape, self.motif))
        lengths = rng.integers(1, self.motif + 1, shape)
        return np.where(np.arange(self.motif) < lengths[..., None], tokens, _PAD)

    def _keys(self, rng: np.random.Generator, size: int) -> NDArray[np.int64]:
        """Prefix-free keys (N pairs motif): a key that clashes with an earlier one is drawn again.

        Two keys clash only if they share their first token, and as `pairs` is at most the number of first
        tokens a free key always exists: the redrawing ends.
        """
        keys = self._motifs(rng, (size, self.pairs), 0)
        while True:
            one, other = keys[:, :, None], keys[:, None, :]
            clash = ((one == other) | (one == _PAD) | (other == _PAD)).all(axis=-1)  # one begins the other
            late = np.tril(clash, -1).any(axis=-1)
            if not late.any():
                return keys
            keys[late] = self._motifs(rng, (int(late.sum()),), 0)

    def _spell(
        self, keys: NDArray[np.int64], values: NDArray[np.int64], chosen: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The tokens (N T+1) of the chosen entries one after the other, and where (N T) they are judged."""
        rows, place = np.arange(len(keys))[:, None], np.arange(self.length + 1)
        key_lengths = (keys != _PAD).sum(axis=-1)
        spans = np.take_along_axis(key_lengths + (values != _PAD).sum(axis=-1), chosen, axis=1)
        starts = spans.cumsum(axis=1) - spans
        begins = np.zeros((len(keys), self.length + 1), np.int64)
        row, draw = np.nonzero(starts <= self.length)
        begins[row, starts[row, draw]] = 1
        draws = begins.cumsum(axis=1) - 1  # N T+1: the number of the draw that each token belongs to
        entry = chosen[rows, draws]
        in_key = place - starts[rows, draws]
        in_value = in_key - key_lengths[rows, entry]
        tokens = np.where(
            in_value < 0,
            keys[rows, entry, np.minimum(in_key, self.motif - 1)],
            values[rows, entry, np.maximum(in_value, 0)],
        )
        judged = (in_value >= 0) & seen_before(chosen, self.pairs)[rows, draws]
        return tokens.astype(np.int32), judged[:, 1:]
