"""The learning rate: warm-up, constant, decay (WSD; MiniCPM, arXiv 2404.06395, section 4).

A longer training continues from where the decay of a shorter one began.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Schedule:
    """Warm-up, constant, decay: the learning rate of each step, as a factor from 0 to 1."""

    steps: int
    warmup_steps: int
    decay_fraction: float

    @property
    def decay_start(self) -> int:
        """The first step of the decay; a longer training continues from the state before it."""
        return self.steps - round(self.decay_fraction * self.steps)

    def factors(self, first: int, last: int) -> NDArray[np.float32]:
        """Factors of the steps `first` to `last`, the last left out."""
        step = np.arange(first, last)
        warm = np.minimum(1.0, (step + 1) / max(1, self.warmup_steps))
        left = (self.steps - step) / (self.steps - self.decay_start + 1)
        return np.where(step < self.decay_start, warm, np.minimum(warm, left)).astype(np.float32)
