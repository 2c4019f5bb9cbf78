"""Weights as ONNX files hold them: float32, or integers in blocks of 32 as `MatMulNBits` reads them.

A block has elements that meet the same output, and one scale: `proxies.quantised` with the same rounding, its
scales float16 in value but float32 in the file, since the operator takes them in the arithmetic's type. So a
weight takes 9 bits (int8) or 5 (int4), half a bit more than in GGUF. Integers are unsigned, around 128 or 8.
Matrices and tables are stored so where blocks divide their inputs; all else is float32.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

BLOCK = 32
BITS = {"int8": 8, "int4": 4}
STEPS = {"int8": 73.9, "int4": 4.64}
"""Standard deviation of uniform bytes and half bytes, in steps."""


class Integers(NamedTuple):
    """A matrix of N outputs and K inputs: bytes `N K/32 (32 or 16)`, scales `N K/32`."""

    bytes: np.ndarray
    scales: np.ndarray


class Weights:
    """Those of `proxies.model.Model`, or cheap pseudo-random ones where `params` is None.

    Random matrices have variance 1 / fan-in, random vectors lie from 0.5 to 1.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, dtype: str = "float32") -> None:
        self._params, self.bits = params, BITS.get(dtype)
        self._dtype, self._rng = dtype, np.random.default_rng(0)

    def read(self, path: str, shape: tuple[int, ...], table: bool = False) -> np.ndarray:
        """A weight in float32, by its path such as `ops_3/q`."""
        if self._params is None:
            return cheap(shape, self._rng, table)
        found: Any = self._params
        for name in path.split("/"):
            found = found[name]
        return np.asarray(found, np.float32)

    def in_integers(self, inputs: int) -> bool:
        """Whether a matrix of so many inputs is stored in integers."""
        return self.bits is not None and inputs % BLOCK == 0

    def integers(self, path: str, shape: tuple[int, int], table: bool = False) -> Integers:
        """A matrix `K N`, or a table `N K`, in integers."""
        assert self.bits is not None
        if self._params is not None:
            found = self.read(path, shape)
            return quantise(found if table else found.T, self.bits)
        outputs, inputs = shape if table else shape[::-1]
        blocks = self._rng.integers(0, 256, (outputs, inputs // BLOCK, BLOCK * self.bits // 8), np.uint8)
        scale = np.float32(1 / (STEPS[self._dtype] * inputs**0.5))
        return Integers(blocks, np.full((outputs, inputs // BLOCK), scale, np.float32))


def cheap(shape: tuple[int, ...], rng: np.random.Generator, table: bool = False) -> np.ndarray:
    """64 levels of a uniform distribution, none of them zero."""
    levels = (np.arange(64, dtype=np.float32) + 0.5) / 64
    if len(shape) < 2:
        levels = 0.5 + 0.5 * levels
    else:
        levels = (2 * levels - 1) * np.float32((3 / (shape[-1] if table else shape[-2])) ** 0.5)
    drawn: np.ndarray = levels[rng.integers(0, 64, shape, np.uint8)]
    return drawn


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
