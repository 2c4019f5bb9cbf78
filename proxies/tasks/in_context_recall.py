"""Multi-query in-context recall: look up what a key was paired with earlier in the same sequence.

After the in-context recall task of MAD (arXiv 2403.17844). Unlike its reference code, training and test
judge the same positions: those whose answer the sequence has already shown.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

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


@dataclass(frozen=True)
class InContextRecall(Generated):
    """`k v k v ...`: tokens below vocab_size / 2 are keys, the others values; each row has its own map.

    Keys are drawn uniformly, with repetition; the map from key to value is drawn anew for every row (two
    keys may share a value). Judged: the positions of keys that occurred before, whose value is then known.
    A row in which no key repeats gets its first key again as its second, so that each row asks something.
    Scores start from the best trivial answer (`baselines`): the commonest value so far is right far more
    often than 2 / vocab_size.
    """

    name: ClassVar[str] = "in-context-recall"
    readout: ClassVar[Readout] = "next_token"
    asks: ClassVar[str] = "the value that a key was paired with earlier in the row"
    generator_version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        require_int(self.name, "length", self.length, 3, reason="key, value and the key again")
        require_halves(self.name, self.vocab_size)

    @property
    def answers(self) -> range:
        """The values."""
        return range(self.vocab_size // 2, self.vocab_size)

    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` sequences: a pure function of the task and these arguments."""
        rng = stream(self.name, split, seed, index, size)
        half, asking = self.vocab_size // 2, (self.length + 1) // 2
        keys = rng.integers(0, half, (size, self.length // 2 + 1))
        values = rng.integers(half, self.vocab_size, (size, half))
        judged = seen_before(keys, half)[:, :asking]
        silent = ~judged.any(axis=1)
        if silent.any():
            keys[silent, 1] = keys[silent, 0]
            judged = seen_before(keys, half)[:, :asking]
        pairs = np.stack([keys, np.take_along_axis(values, keys, axis=1)], axis=-1)
        tokens = pairs.reshape(size, -1).astype(np.int32)
        weights = np.zeros((size, self.length), np.float32)
        weights[:, ::2] = judged
        return Batch(tokens[:, : self.length], tokens[:, 1 : self.length + 1], weights)
