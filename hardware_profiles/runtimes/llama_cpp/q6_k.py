"""Matrices in ggml's `Q6_K`, which the package `gguf` reads but does not write.

A block has 256 elements along a row, in 16 groups: six bits an element, a scale of eight bits a group, and
one float16 scale: `block_q6_K` of `ggml-common.h` (github.com/ggml-org/llama.cpp), 210 bytes.
"""

import numpy as np

BLOCK, GROUP = 256, 16
HALF = 32
"""What stands for zero."""
DEVIATION = 18.5
"""Standard deviation of uniform integers of six bits."""


def cheap(outputs: int, inputs: int) -> np.ndarray:
    """Bytes `N K/256*210` of a pseudo-random matrix `N K`: uniform integers, one scale, variance 1 / K."""
    rng, blocks = np.random.default_rng(0), outputs * inputs // BLOCK
    integers = rng.integers(0, 256, (blocks, BLOCK * 6 // 8), np.uint8)
    scales = np.ones((blocks, GROUP), np.uint8)
    scale = np.full((blocks, 1), 1 / (DEVIATION * inputs**0.5), np.float16)
    return np.concatenate([integers, scales, scale.view(np.uint8)], axis=1).reshape(outputs, -1)


def quantise(matrix: np.ndarray) -> np.ndarray:
    """Bytes `N K/256*210` of a matrix `N K`.

    Of each group the element farthest from zero is at one end of the integers; ggml's `quantize_row_q6_K_ref`
    also searches scales near that one.
    """
    groups = matrix.reshape(-1, GROUP, BLOCK // GROUP).astype(np.float32)
    wanted = _farthest(groups) / -HALF
    scale = (_farthest(wanted) / -128).astype(np.float16)
    scales = np.clip(np.round(_over(wanted, scale[:, None])), -128, 127).astype(np.int8)
    steps = scale.astype(np.float32)[:, None] * scales
    integers = np.clip(np.round(_over(groups, steps[..., None])), -HALF, HALF - 1) + HALF
    # Halves of a block, 4 runs of 32 in each: low bits of two runs to a byte, high bits of four.
    runs = integers.astype(np.uint8).reshape(-1, 2, 4, 32)
    low, high = runs & 0xF, runs >> 4
    parts = (
        low[:, :, :2] | low[:, :, 2:] << 4,
        high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6,
        scales.view(np.uint8),
        scale[:, None].view(np.uint8),
    )
    return np.concatenate([part.reshape(len(runs), -1) for part in parts], axis=1).reshape(len(matrix), -1)


def _farthest(values: np.ndarray) -> np.ndarray:
    """Along the last axis, the value that is farthest from zero."""
    low, high = values.min(-1), values.max(-1)
    farthest: np.ndarray = np.where(high > -low, high, low)
    return farthest


def _over(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Values in steps; 0 where a step is 0."""
    steps = steps.astype(np.float32)
    return values * np.where(steps == 0, 0, 1 / np.where(steps == 0, 1, steps))
