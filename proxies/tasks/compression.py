"""Compression: put a whole random sequence into the last hidden state, from which it is reconstructed.

After the compression task of MAD (arXiv 2403.17844).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from proxies.tasks.base import MAX_VOCAB, Batch, Generated, Readout, Split, require_int, stream


@dataclass(frozen=True)
class Compression(Generated):
    """Uniform random tokens; the targets are the tokens themselves, all judged.

    A reader sees the hidden state of the last position and the position asked for, nothing else, so that
    the score tells how much of the sequence the state holds, beyond its last token and beyond how often each
    token occurs, which a pool knows (`baselines`).
    """

    name: ClassVar[str] = "compression"
    readout: ClassVar[Readout] = "last_token"
    asks: ClassVar[str] = "the whole row, from the hidden state of its last token"
    generator_version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        require_int(self.name, "length", self.length, 2)
        require_int(self.name, "vocab_size", self.vocab_size, 2, MAX_VOCAB)

    def batch(self, split: Split, seed: int, index: int, size: int) -> Batch:
        """The `index`-th batch of `size` sequences: a pure function of the task and these arguments."""
        rng = stream(self.name, split, seed, index, size)
        tokens = rng.integers(0, self.vocab_size, (size, self.length), dtype=np.int32)
        return Batch(tokens, tokens, np.ones(tokens.shape, np.float32))
