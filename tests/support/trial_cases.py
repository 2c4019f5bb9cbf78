"""Small architectures and trials of them."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from genomes import Architecture, Attention, ShortConv, SwiGLU
from proxies.training import checkpoints
from proxies.trial import TrialConfig, TrialResult

LENGTH = 32
HYBRID = Architecture(
    width=32,
    vocab_size=16,
    blocks=(
        ShortConv(kernel=3),
        Attention(heads=2, kv_heads=1, head_dim=16, qk_norm=True),
        SwiGLU(hidden=48),
    ),
)
MEMORYLESS = Architecture(width=32, vocab_size=16, blocks=(SwiGLU(hidden=48), SwiGLU(hidden=32)))


def config(steps: int = 40, **fields: Any) -> TrialConfig:
    """Six held-out batches: the program makes four at a time, so the second call is padded."""
    defaults = {
        "task": "in-context-recall",
        "length": LENGTH,
        "batch": 8,
        "learning_rate": 5e-3,
        "evaluation_batches": 6,
    }
    return TrialConfig(steps=steps, **defaults | fields)


def outcome(result: TrialResult) -> dict[str, Any]:
    """A result without what may differ between two runs of the same trial."""
    fields = result.to_dict()
    for name in ("seconds", "resumed_from_step"):
        del fields[name]
    return fields


def weights(directory: Path) -> Any:
    return checkpoints.read_trial_weights(directory)


def equal(one: Any, other: Any) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), one, other)))
