"""Weights stored in fewer bits, for measuring: 32 to a block, with one float16 scale.

`int8` and `int4` are laid out as GGUF's `Q8_0` and `Q4_0` (`ggml-common.h`, github.com/ggml-org/llama.cpp):
34 and 18 bytes a block, whose elements meet the same output. Matrices and the embedding are stored so; those
whose inputs no block divides are float16, norms and other vectors stay as they are. jax has no product with
such weights: programs restore a matrix where they use it, which takes memory and time of its own.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from proxies.axes import Array, Float

BLOCK = 32
Bits = Literal[8, 4]
BITS: dict[str, Bits] = {"int8": 8, "int4": 4}


class Stored(NamedTuple):
    """A matrix in blocks along its inputs: `... N 32 E` integers (int4: two to a byte, `... N 16 E`), and
    their scales `... N 1 E`."""

    integers: Array
    scales: Float[Array, "... N 1 E"]


def store(weights: Any, dtype: str) -> Any:
    """A tree of weights with its matrices as `Stored`; `dtype` is int8 or int4."""
    return jax.tree_util.tree_map_with_path(
        lambda path, weight: store_one(weight, dtype, is_table(path)), weights
    )


def store_one(weight: Array, dtype: str, table: bool) -> Any:
    """One of them."""
    matrix = weight.swapaxes(-1, -2) if table else weight
    if matrix.ndim < 2:
        return weight
    if matrix.shape[-2] % BLOCK:
        return weight.astype(jnp.float16)
    return _store(matrix, BITS[dtype])


def restore(weights: Any, dtype: Any) -> Any:
    """The tree as models read it, in the arithmetic's type."""

    def leaf(path: Any, weight: Any) -> Array:
        whole: Array = weight
        if isinstance(weight, Stored):
            matrix = _restore(weight, dtype)
            whole = matrix.swapaxes(-1, -2) if is_table(path) else matrix
        return whole.astype(dtype)

    return jax.tree_util.tree_map_with_path(leaf, weights, is_leaf=lambda z: isinstance(z, Stored))


def is_table(path: Any) -> bool:
    """Embedding and head are `W D`: their inputs, when they make logits, are the last axis."""
    return getattr(path[-1], "key", "") in ("embedding", "head")


def _store(matrix: Float[Array, "... C E"], bits: Bits) -> Stored:
    largest = 2 ** (bits - 1) - 1
    blocks = matrix.reshape(*matrix.shape[:-2], -1, BLOCK, matrix.shape[-1])
    scales = (jnp.abs(blocks).max(-2, keepdims=True) / largest).astype(jnp.float16)
    divisor = jnp.where(scales == 0, 1, scales).astype(jnp.float32)
    integers = jnp.clip(jnp.round(blocks.astype(jnp.float32) / divisor), -largest, largest)
    if bits == 8:
        return Stored(integers.astype(jnp.int8), scales)
    low, high = jnp.split((integers + 8).astype(jnp.uint8), 2, axis=-2)
    return Stored(low | high << 4, scales)


def _restore(stored: Stored, dtype: Any) -> Float[Array, "... C E"]:
    integers = stored.integers
    if integers.dtype == jnp.uint8:
        integers = jnp.concatenate([integers & 0xF, integers >> 4], axis=-2).astype(jnp.int8) - 8
    blocks = integers.astype(dtype) * stored.scales.astype(dtype)
    return blocks.reshape(*blocks.shape[:-3], -1, blocks.shape[-1])
