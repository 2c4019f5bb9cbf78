"""Convolutions of any length: equal to the naive twin, causal to the last bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxies.kernels.causal_conv import (
    LONGEST_BANDED,
    LONGEST_SHIFTED,
    causal_conv,
    conv_state,
    naive_causal_conv,
)
from proxies.kernels.long_conv import HALVING_CHUNK

BATCH, CHANNELS = 2, 3


SHAPES = [
    *((5, 2), (50, LONGEST_SHIFTED), (5, LONGEST_SHIFTED + 1), (77, 33), (150, LONGEST_BANDED)),
    *((1, 1), (1, 20), (150, 400)),  # longer than the sequence
    *((130, 130), (256, 256), (300, 200)),  # by halves
]


def inputs(tokens: int, length: int, dtype=jnp.float32) -> tuple[jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(tokens * length))
    shapes = (BATCH, tokens, CHANNELS), (length, CHANNELS)
    return tuple(jax.random.normal(k, shape).astype(dtype) for k, shape in zip(keys, shapes, strict=True))


def outputs_and_gradients(convolve, x: jax.Array, kernel: jax.Array):
    direction = np.cos(np.arange(x.size)).reshape(x.shape)

    def loss(x, kernel):
        y = convolve(x, kernel)
        return (y * direction).sum(), y

    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(x, kernel)


@pytest.mark.parametrize(("tokens", "length"), SHAPES)
def test_equals_the_naive_twin_with_gradients(tokens: int, length: int) -> None:
    both = (outputs_and_gradients(f, *inputs(tokens, length)) for f in (causal_conv, naive_causal_conv))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), *both)


@pytest.mark.parametrize(("tokens", "length"), [(30, 4), (77, 20), (300, 300)])
def test_a_later_input_changes_no_bit_of_an_earlier_output(tokens: int, length: int) -> None:
    x, kernel = inputs(tokens, length)
    run = jax.jit(causal_conv)
    before = np.asarray(run(x, kernel))
    for changed in {1, tokens // 2, HALVING_CHUNK, HALVING_CHUNK + 1, tokens - 1}:
        if changed < tokens:
            after = run(x.at[:, changed:].set(1e4), kernel)
            np.testing.assert_array_equal(after[:, :changed], before[:, :changed])
            assert np.any(after[:, changed] != before[:, changed])


def test_a_later_input_has_no_gradient_to_an_earlier_output() -> None:
    x, kernel = inputs(200, 200)
    gradient = jax.jit(jax.grad(lambda x, t: jnp.take(causal_conv(x, kernel), t, axis=1).sum()))
    for t in (0, 63, 64, 127, 128, 199):
        influence = np.abs(gradient(x, t)).sum((0, 2))
        assert np.all(influence[t + 1 :] == 0)
        assert np.all(influence[: t + 1] > 0)


@pytest.mark.parametrize("length", [3, 20, 128])
@pytest.mark.parametrize("pieces", [(1, 1, 38), (25, 1, 14)])
def test_goes_on_from_the_past(length: int, pieces: tuple[int, ...]) -> None:
    x, kernel = inputs(40, length)
    past, outputs, position = jnp.zeros((BATCH, length - 1, CHANNELS)), [], 0
    for piece in pieces:
        part = x[:, position : position + piece]
        outputs.append(causal_conv(part, kernel, past))
        past, position = conv_state(part, past), position + piece
    whole = causal_conv(x, kernel)
    np.testing.assert_allclose(jnp.concatenate(outputs, axis=1), whole, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("tokens", "length"), [(40, 3), (70, 33), (200, 200)])
def test_bfloat16_keeps_its_type_and_most_of_its_digits(tokens: int, length: int) -> None:
    x, kernel = inputs(tokens, length, jnp.bfloat16)
    found = jax.jit(causal_conv)(x, kernel)
    assert found.dtype == jnp.bfloat16
    exact = jax.jit(naive_causal_conv)(x.astype(jnp.float32), kernel.astype(jnp.float32))
    assert np.abs(found.astype(jnp.float32) - exact).max() < 0.02 * np.abs(exact).max()
