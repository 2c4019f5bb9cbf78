"""Weights as files of other runtimes hold them: floats, or integers in blocks of 32; cheap random ones too.

A block has elements that meet the same output, and one scale: `proxies.quantised` with the same rounding.
Matrices and tables are stored so where blocks divide their inputs. A table (embedding, head) is written
`outputs inputs`, every other matrix `inputs outputs`. `llama_cpp.q6_k` has the blocks of 256.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

BLOCK = 32
"""Elements that share a scale, along the inputs of a matrix."""
BITS = {"int8": 8, "int4": 4}
"""Bits of an element, by what weights are stored in."""
LEVELS = 64
"""Distinct values of cheap floats."""
STEP_DEVIATION = {8: 73.9, 4: 4.64}
"""Standard deviation of uniform bytes and half bytes, in steps of a scale, by their bits."""
TABLES = ("embedding", "head")
"""Paths of tables."""


class Integers(NamedTuple):
    """A matrix of N outputs and K inputs: bytes `N K/32 (32 or 16)`, scales `N K/32` in float32.

    Integers are unsigned, around 128 or 8. Scales are float16 in value.
    """

    bytes: np.ndarray
    scales: np.ndarray


class Weights:
    """Weights of `proxies.model.Model`, or cheap pseudo-random ones where `params` is None.

    Random matrices have variance 1 / fan-in, random vectors lie from 0.5 to 1.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, dtype: str = "float32") -> None:
        self._params, self.bits = params, BITS.get(dtype)
        self._rng = np.random.default_rng(0)

    @property
    def random(self) -> bool:
        """Whether they are pseudo-random."""
        return self._params is None

    def read(self, path: str, shape: tuple[int, ...]) -> np.ndarray:
        """A weight in float32, by its path such as `ops_3/q`."""
        if self._params is None:
            return cheap_floats(shape, self._rng, path in TABLES)
        weight: Any = self._params
        for name in path.split("/"):
            weight = weight[name]
        return np.asarray(weight, np.float32)

    def in_integers(self, inputs: int) -> bool:
        """Whether a matrix with this number of inputs is stored in integers."""
        return self.bits is not None and inputs % BLOCK == 0

    def integers(self, path: str, shape: tuple[int, int], bits: int | None = None) -> Integers:
        """A matrix or a table in integers, of the usual bits or of others."""
        bits = bits or self.bits
        assert bits is not None
        table = path in TABLES
        outputs, inputs = shape if table else shape[::-1]
        if self._params is None:
            return cheap_integers(outputs, inputs, bits, self._rng)
        matrix = self.read(path, shape)
        return quantise(matrix if table else matrix.T, bits)


def cheap_floats(shape: tuple[int, ...], rng: np.random.Generator, table: bool = False) -> np.ndarray:
    """Values of a uniform distribution, none of them zero."""
    levels = (np.arange(LEVELS, dtype=np.float32) + 0.5) / LEVELS
    if len(shape) < 2:
        levels = 0.5 + 0.5 * levels
    else:
        levels = (2 * levels - 1) * np.float32((3 / (shape[-1] if table else shape[-2])) ** 0.5)
    drawn: np.ndarray = levels[rng.integers(0, LEVELS, shape, np.uint8)]
    return drawn


def cheap_integers(outputs: int, inputs: int, bits: int, rng: np.random.Generator) -> Integers:
    """Uniform integers with one scale for all blocks; the matrix has variance 1 / inputs."""
    blocks = rng.integers(0, 256, (outputs, inputs // BLOCK, BLOCK * bits // 8), np.uint8)
    scale = np.float16(1 / (STEP_DEVIATION[bits] * inputs**0.5))
    return Integers(blocks, np.full((outputs, inputs // BLOCK), scale, np.float32))


def quantise(matrix: np.ndarray, bits: int) -> Integers:
    """A matrix `N K` in blocks along K, rounded as `proxies.quantised` does, and ggml."""
    blocks = matrix.reshape(matrix.shape[0], -1, BLOCK).astype(np.float32)
    low, high = blocks.min(-1), blocks.max(-1)
    scales = np.maximum(high, -low) / 127 if bits == 8 else np.where(high > -low, high, low) / -8
    steps = blocks * np.where(scales == 0, 0, 1 / np.where(scales == 0, 1, scales))[..., None]
    stored = scales.astype(np.float16).astype(np.float32)
    if bits == 8:
        nearest = np.sign(steps) * np.floor(np.abs(steps) + 0.5)
        return Integers((nearest + 128).astype(np.uint8), stored)
    shifted = np.clip(np.floor(steps + 8.5), 0, 15).astype(np.uint8)
    return Integers(shifted[..., ::2] | shifted[..., 1::2] << 4, stored)
