"""What a task hands out: batches of tokens of a split, and how their answers are read.

Axes: N sequences in a batch, T positions in a sequence.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
Readout = Literal["next_token", "last_token"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Sequences and what is asked about them.

    `targets[n, t]` is to be predicted from `tokens[n, : t + 1]` (readout `next_token`), or from the whole
    of `tokens[n]` (readout `last_token`). It counts where `weights[n, t]` is 1 and not where it is 0.
    """

    tokens: NDArray[np.int32]  # N T
    targets: NDArray[np.int32]  # N T
    weights: NDArray[np.float32]  # N T, 0 or 1, at least one 1 in each row
