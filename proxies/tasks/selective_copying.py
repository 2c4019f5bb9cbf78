"""Selective copying: remember the content tokens scattered among blanks, and repeat them in order.

After the selective copying task of MAD (arXiv 2403.17844), except that the copies are fed back as they are
predicted, and that every draw comes from the seeded generator.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from proxies.tasks.base import MAX_VOCAB, Batch, Generated, Readout, Split, require_int, stream


@dataclass(frozen=True)
class SelectiveCopying(Generated):
    """`length - copy` positions with `copy` content tokens among blanks, a separator, then the copies.

    The last two tokens of the vocabulary are the blank and the separator, the others are content, drawn
    uniformly at places drawn uniformly. Judged: the separator, which predicts the first copy, and every copy
    but the last, which predicts the next one. Scores start from the best trivial answer (`baselines`), such
    as the commonest content so far.
    """

    name: ClassVar[str] = "selective-copying"
    readout: ClassVar[Readout] = "next_token"
    asks: ClassVar[str] = "the tokens scattered among blanks, in order"
    generator_version: ClassVar[int] = 1

    copy: int = 8

    def __post_init__(self) -> None:
        require_int(self.name, "vocab_size", self.vocab_size, 4, MAX_VOCAB, "blank, separator, 2 to copy")
        require_int(self.name, "copy", self.copy, 1)
        reason = f"2 * copy + 2, for the {self.copy} tokens to copy, 2 blanks and the copies"
        require_int(self.name, "length", self.length, 2 * self.copy + 2, reason=reason)

    @property
    def answers(self) -> range:
        """Content: all tokens but the blank and the separator."""
        return range(self.vocab_size - 2)

    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` sequences: a pure function of the task and these arguments."""
        rng = stream(self.name, split, seed, index, size)
        body = self.length - self.copy
        blank, separator = self.vocab_size - 2, self.vocab_size - 1
        content = rng.integers(0, blank, (size, self.copy), dtype=np.int32)
        places = np.sort(rng.random((size, body)).argsort(axis=1)[:, : self.copy], axis=1)
        tokens = np.full((size, self.length + 1), blank, np.int32)
        np.put_along_axis(tokens, places, content, axis=1)
        tokens[:, body] = separator
        tokens[:, body + 1 :] = content
        weights = np.zeros((size, self.length), np.float32)
        weights[:, body:] = 1
        return Batch(tokens[:, :-1], tokens[:, 1:], weights)
