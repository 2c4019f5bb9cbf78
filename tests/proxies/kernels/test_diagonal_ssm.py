"""State spaces: exact discretisation, and a kernel that equals its naive twin whatever the chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxies.kernels.causal_conv import causal_conv
from proxies.kernels.diagonal_ssm import (
    as_complex,
    as_real,
    diagonal_ssm,
    discretise,
    naive_diagonal_ssm,
    ssm_kernel,
)
from support.continuous_systems import step_of
from support.kernel_cases import close, outputs_and_gradients

BATCH, CHANNELS, PAIRS, STATES = 2, 3, 4, 5


@pytest.mark.parametrize("dt", [1e-5, 0.01, 1.0])
def test_discretisation_is_exact(dt: float) -> None:
    log_a_real, a_imag = np.log([0.5, 3.0, 1e-3]), np.array([0.0, 20.0, np.pi])
    decay, factor = step_of(np.diag(-np.exp(log_a_real) + 1j * a_imag), np.ones((3, 1)), dt)
    log_decay, b = discretise(jnp.array(log_a_real), jnp.array(a_imag), jnp.log(dt))
    np.testing.assert_allclose(jnp.exp(log_decay), np.diag(decay), rtol=1e-5)
    np.testing.assert_allclose(b, factor[:, 0], rtol=1e-5)


def diagonal_inputs(tokens: int):
    keys = jax.random.split(jax.random.key(tokens), 6)
    x = jax.random.normal(keys[0], (BATCH, tokens, CHANNELS))
    log_decay, b = discretise(
        *(
            jax.random.normal(key, (CHANNELS, PAIRS)) * scale
            for key, scale in zip(keys, (1, 9, 1), strict=False)
        )
    )
    parts = [jax.random.normal(key, (CHANNELS, PAIRS)) for key in keys[3:5]]
    h0 = as_complex(jax.random.normal(keys[5], (BATCH, CHANNELS, 2 * PAIRS)))
    return x, log_decay, b * jax.lax.complex(*parts), h0


@pytest.mark.parametrize("tokens", [1, 2, 3, 16, 17, 50])
def test_the_kernel_is_that_of_its_terms(tokens: int) -> None:
    _, log_decay, c, _ = diagonal_inputs(1)
    terms = c * np.exp(np.arange(tokens)[:, None, None] * np.complex128(log_decay))
    np.testing.assert_allclose(ssm_kernel(log_decay, c, tokens), terms.real.sum(-1), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("tokens", "chunk"), [(1, 64), (8, 1), (29, 8), (32, 8), (29, 64)])
def test_chunks_of_a_diagonal_state_space_equal_the_recurrence_with_gradients(
    tokens: int, chunk: int
) -> None:
    def of_real(form):
        def run(x, *numbers):
            y, h = form(x, *map(as_complex, numbers))
            return y, as_real(h)

        return run

    x, *numbers = diagonal_inputs(tokens)
    inputs = (x, *map(as_real, numbers))
    found = outputs_and_gradients(of_real(partial(diagonal_ssm, chunk=chunk)), inputs)
    close(found, outputs_and_gradients(of_real(naive_diagonal_ssm), inputs), atol=2e-4)


def test_a_diagonal_state_space_goes_on_from_its_state() -> None:
    x, log_decay, c, h = diagonal_inputs(40)
    run = jax.jit(partial(diagonal_ssm, chunk=8))
    expected, pieces = run(x, log_decay, c, h), []
    for part in (slice(0, 27), slice(27, 28), slice(28, 40)):
        y, h = run(x[:, part], log_decay, c, h)
        pieces.append(y)
    close((jnp.concatenate(pieces, axis=1), h), expected)


def test_the_convolution_is_causal_to_the_last_bit() -> None:
    """Long enough that parts of it run by Fourier transforms."""
    tokens, cut = 300, 190
    x, log_decay, c, _ = diagonal_inputs(tokens)
    kernel = ssm_kernel(log_decay, c, tokens)[::-1]

    def early(x):
        y = causal_conv(x, kernel)[:, :cut]
        return jnp.square(y).sum(), y

    run = jax.jit(jax.value_and_grad(early, has_aux=True))
    (_, y), gradient = run(x)
    assert not gradient[:, cut:].any()
    assert gradient[:, :cut].all()
    np.testing.assert_array_equal(run(x.at[:, cut:].multiply(1e6))[0][1], y)


def test_real_and_complex_are_inverse() -> None:
    z = jax.random.normal(jax.random.key(0), (2, 6))
    np.testing.assert_array_equal(as_real(as_complex(z)), z)
