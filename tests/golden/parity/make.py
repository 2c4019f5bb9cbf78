"""Writes the golden files beside it: a small model of each published class, as transformers made and ran it.

    python tests/golden/parity/make.py [CLASS...]      half a minute; needs PyTorch and transformers

`CLASS.config.json` is the configuration, `CLASS.npz` the tensors (float16, exactly those of the model), token
ids and float32 logits.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from support import parity  # noqa: E402

WIDTH, TOKENS = 16, 23
SEED = 2
"""Of configurations with windows, several groups, grouped heads."""


def main(names: list[str]) -> None:
    """Write the golden files of these classes, by default all."""
    for name in names or parity.DRAWS:
        made = parity.make(name, parity.draw(name, SEED, WIDTH), SEED, TOKENS, half=True)
        halves = {key: tensor.astype(np.float16) for key, tensor in made.tensors.items()}
        text = json.dumps(made.config, indent=1, sort_keys=True) + "\n"
        (HERE / f"{name}.config.json").write_text(text, encoding="utf-8")
        np.savez_compressed(HERE / f"{name}.npz", **halves, tokens=made.tokens, logits=made.logits)


if __name__ == "__main__":
    main(sys.argv[1:])
