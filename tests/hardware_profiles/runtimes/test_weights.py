"""Weights of files: rounding is ours, and cheap ones are normal numbers of the promised variance."""

import numpy as np
import pytest

from hardware_profiles.runtimes.weights import BITS, BLOCK, Integers, Weights, quantise


def restored(integers: Integers, bits: int) -> np.ndarray:
    """The matrix `N K` that integers stand for."""
    packed = integers.bytes
    if bits == 4:
        packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:2], BLOCK)
    steps = packed.astype(np.float32) - 2 ** (bits - 1)
    return (steps * integers.scales[..., None]).reshape(len(packed), -1)


@pytest.mark.parametrize("dtype", BITS)
def test_integers_are_those_of_our_own_quantisation(dtype: str) -> None:
    from proxies import quantised

    matrix = np.random.default_rng(0).standard_normal((96, 40), np.float32)
    matrix[:32, 0] = 0
    ours = np.asarray(quantised.restore(quantised.store({"w": matrix}, dtype), "float32")["w"])
    np.testing.assert_array_equal(restored(quantise(matrix.T, BITS[dtype]), BITS[dtype]).T, ours)


@pytest.mark.parametrize("path", ["embedding", "ops_0/q"])
@pytest.mark.parametrize("dtype", ["float32", *BITS])
def test_cheap_matrices_have_the_variance_of_their_inputs(path: str, dtype: str) -> None:
    inputs, outputs = 256, 640
    shape = (outputs, inputs) if path == "embedding" else (inputs, outputs)
    weights = Weights(dtype=dtype)
    assert weights.random and weights.in_integers(inputs) == (dtype in BITS) and not weights.in_integers(40)
    if dtype in BITS:
        matrix = restored(weights.integers(path, shape), BITS[dtype])
        assert matrix.shape == (outputs, inputs)
    else:
        matrix = weights.read(path, shape)
        assert matrix.shape == shape and (np.abs(matrix) > np.finfo(np.float16).tiny).all()
    assert matrix.std() == pytest.approx(inputs**-0.5, rel=0.03)
    vector = weights.read("norm_0", (64,))
    assert vector.dtype == np.float32 and 0.5 < vector.min() < vector.max() < 1


def test_weights_of_a_model_are_read_by_their_path() -> None:
    matrix = np.random.default_rng(0).standard_normal((64, 8), np.float32)
    weights = Weights({"ops_3": {"q": matrix}, "embedding": matrix.T}, "int8")
    np.testing.assert_array_equal(weights.read("ops_3/q", (64, 8)), matrix)
    of_matrix, of_table = weights.integers("ops_3/q", (64, 8)), weights.integers("embedding", (8, 64))
    np.testing.assert_array_equal(of_matrix.bytes, of_table.bytes)
    assert not weights.random
