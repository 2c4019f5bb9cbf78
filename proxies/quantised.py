"""Weights stored in fewer bits: 32 to a block, with one float16 scale.

`int8` and `int4` are laid out and rounded as GGUF's `Q8_0` and `Q4_0` (`ggml-common.h` and `ggml-quants.c`,
github.com/ggml-org/llama.cpp): 34 and 18 bytes a block, whose elements meet the same output. Matrices and the
embedding are stored so; those whose inputs no block divides are float16, norms and other vectors stay as they
are. jax has no product with such weights: programs restore a matrix where they use it, which takes memory and
time of its own.

`rounded` gives values as they come back from such a store, of any sizes: for judging small models that stand
for large ones.
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from proxies.axes import Array, Float

BLOCK = 32
Bits = Literal[8, 4]
BITS: dict[str, Bits] = {"int8": 8, "int4": 4}
KEPT = ("conv", "_bias", "a_log", "log_a_real", "a_imag")
"""How the names of weights of two axes end that are no matrices: kernels, biases, eigenvalues."""


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
    """A weight as it is stored: a matrix in blocks or, where none divides its inputs, in float16."""
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


def rounded(weights: Any, dtype: str) -> Any:
    """A tree of weights as they come back from being stored in `dtype`, in the types that they have.

    Matrices and the embedding alone: vectors stay as they are, and so do the kernels of convolutions and what
    decays are made of (`KEPT`), which llama.cpp keeps in float32 too. A last block that is not full is filled
    up with zeros.
    """

    def leaf(path: Any, weight: Array) -> Array:
        if weight.ndim < 2 or _name(path).endswith(KEPT):
            return weight
        if dtype not in BITS:
            return weight.astype(dtype).astype(weight.dtype)
        matrix = weight.swapaxes(-1, -2) if is_table(path) else weight
        near = _near(matrix, BITS[dtype])
        return near.swapaxes(-1, -2) if is_table(path) else near

    return jax.tree_util.tree_map_with_path(leaf, weights)


def rounded_state(state: Any, dtype: str) -> Any:
    """A state as it comes back from being stored in `dtype`; positions and other integers stay as they are.

    Blocks lie along the last axis of an entry, after its batch axis: the elements of a head.
    """

    def leaf(entry: Array) -> Array:
        if not jnp.issubdtype(entry.dtype, jnp.floating):
            return entry
        if dtype not in BITS:
            return entry.astype(dtype).astype(entry.dtype)
        last = entry.shape[-1] if entry.ndim > 1 else 1
        return _near(entry.reshape(-1, last, 1), BITS[dtype]).reshape(entry.shape)

    return jax.tree.map(leaf, state)


def is_table(path: Any) -> bool:
    """Embedding and head are `W D`: their inputs, when they make logits, are the last axis."""
    return _name(path) in ("embedding", "head")


def _name(path: Any) -> str:
    return str(getattr(path[-1], "key", ""))


def _near(matrix: Float[Array, "... C E"], bits: Bits) -> Float[Array, "... C E"]:
    """The matrix, stored and restored."""
    inputs = matrix.shape[-2]
    padding = [(0, 0)] * matrix.ndim
    padding[-2] = (0, -inputs % BLOCK)
    restored = _restore(_store(jnp.pad(matrix, padding), bits), matrix.dtype)
    return restored[..., :inputs, :]


def _store(matrix: Float[Array, "... C E"], bits: Bits) -> Stored:
    """As `quantize_row_q8_0_ref` and `quantize_row_q4_0_ref`: integers by the scale before its own rounding.

    Of four bits the lowest level, -8, is the element farthest from zero, whatever its sign.
    """
    blocks = matrix.reshape(*matrix.shape[:-2], -1, BLOCK, matrix.shape[-1]).astype(jnp.float32)
    low, high = blocks.min(-2, keepdims=True), blocks.max(-2, keepdims=True)
    scales = jnp.maximum(high, -low) / 127 if bits == 8 else jnp.where(high > -low, high, low) / -8
    steps = blocks * jnp.where(scales == 0, 0, 1 / scales)
    if bits == 8:
        nearest = jnp.sign(steps) * jnp.floor(jnp.abs(steps) + 0.5)
        return Stored(nearest.astype(jnp.int8), scales.astype(jnp.float16))
    low, high = jnp.split(jnp.clip(jnp.floor(steps + 8.5), 0, 15).astype(jnp.uint8), 2, axis=-2)
    return Stored(low | high << 4, scales.astype(jnp.float16))


def _restore(stored: Stored, dtype: Any) -> Float[Array, "... C E"]:
    integers = stored.integers
    if integers.dtype == jnp.uint8:
        integers = jnp.concatenate([integers & 0xF, integers >> 4], axis=-2).astype(jnp.int8) - 8
    blocks = integers.astype(dtype) * stored.scales.astype(dtype)
    return blocks.reshape(*blocks.shape[:-3], -1, blocks.shape[-1])
