"""State spaces: exact discretisation, and kernels that equal their naive twins whatever the chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from genomes import S4D, S5, S6
from proxies.kernels.causal_conv import causal_conv
from proxies.kernels.diagonal_ssm import (
    as_complex,
    as_real,
    diagonal_ssm,
    discretise,
    naive_diagonal_ssm,
    ssm_kernel,
)
from proxies.kernels.selective_scan import naive_selective_scan, selective_scan
from proxies.operators import module_class

BATCH, CHANNELS, PAIRS, STATES = 2, 3, 4, 5


def close(a, b, rtol=2e-4, atol=2e-5):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=rtol, atol=atol), a, b)


def outputs_and_gradients(f, inputs):
    """What `f` gives, and the gradient of a fixed weighting of it."""

    def loss(inputs):
        found = f(*inputs)
        directions = [np.cos(np.arange(leaf.size)).reshape(leaf.shape) for leaf in jax.tree.leaves(found)]
        return sum(
            (leaf * d).sum() for leaf, d in zip(jax.tree.leaves(found), directions, strict=True)
        ), found

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(inputs)


def step_of(a: np.ndarray, b: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """What multiplies state and input when the input is held for `dt`: the exponential of both together."""
    size, inputs = b.shape
    together = np.zeros((size + inputs, size + inputs), np.result_type(a, b))
    together[:size] = np.concatenate([a, b], axis=1) * dt
    step = expm(together)
    return step[:size, :size], step[:size, size:]


# Zero-order hold


@pytest.mark.parametrize("dt", [1e-5, 0.01, 1.0])
def test_discretisation_is_exact(dt: float) -> None:
    log_a_real, a_imag = np.log([0.5, 3.0, 1e-3]), np.array([0.0, 20.0, np.pi])
    decay, factor = step_of(np.diag(-np.exp(log_a_real) + 1j * a_imag), np.ones((3, 1)), dt)
    log_decay, b = discretise(jnp.array(log_a_real), jnp.array(a_imag), jnp.log(dt))
    np.testing.assert_allclose(jnp.exp(log_decay), np.diag(decay), rtol=1e-5)
    np.testing.assert_allclose(b, factor[:, 0], rtol=1e-5)


def dense(parameters: dict, pair: int | slice = slice(None)) -> np.ndarray:
    """A real block `[[re, -im], [im, re]]` of each pair, on the diagonal."""
    a = -np.exp(np.float64(parameters["log_a_real"][pair])) + 1j * np.float64(parameters["a_imag"][pair])
    a = np.diag(np.atleast_1d(a))
    return np.block([[a.real, -a.imag], [a.imag, a.real]])


def test_s4d_is_the_continuous_system() -> None:
    """Its kernel from dense matrix exponentials, a channel at a time in float64."""
    tokens, module = 40, module_class(S4D)(S4D(state_dim=2 * PAIRS), CHANNELS)
    x = jnp.zeros((1, 1, CHANNELS))
    parameters = module.init(jax.random.key(0), x)
    found, p = module.apply(parameters, x, method="features"), parameters["params"]
    kernel = ssm_kernel(found["log_decay"], 2 * as_complex(p["c"]) * found["b"], tokens)
    for channel in range(CHANNELS):
        ones = np.concatenate([np.ones((PAIRS, 1)), np.zeros((PAIRS, 1))])
        decay, h = step_of(dense(p, channel), ones, np.exp(p["log_dt"][channel]))
        c = np.float64(p["c"][channel])
        read, expected = 2 * np.concatenate([c[:PAIRS], -c[PAIRS:]]), []
        for _ in range(tokens):
            expected.append(read @ h[:, 0])
            h = decay @ h
        np.testing.assert_allclose(kernel[:, channel], expected, rtol=1e-4, atol=1e-5)


def test_s5_is_the_continuous_system() -> None:
    """Its states, each pair held at its own step, in float64."""
    tokens, module = 20, module_class(S5)(S5(state_dim=2 * PAIRS), CHANNELS)
    x = jax.random.normal(jax.random.key(1), (1, tokens, CHANNELS))
    parameters = module.init(jax.random.key(0), x)
    found, p = as_real(module.apply(parameters, x, method="features")["h"][0]), parameters["params"]
    for pair in range(PAIRS):
        both = [pair, PAIRS + pair]
        decay, b = step_of(dense(p, pair), np.float64(p["b"][:, both].T), np.exp(p["log_dt"][pair]))
        h = np.zeros(2)
        for t in range(tokens):
            h = decay @ h + b @ np.float64(x[0, t])
            np.testing.assert_allclose(found[t, both], h, rtol=1e-4, atol=1e-6)


# Fixed coefficients


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


# Selective


def selective_inputs(tokens: int):
    keys = jax.random.split(jax.random.key(tokens), 6)
    u, dt = (jax.random.normal(key, (BATCH, tokens, CHANNELS)) for key in keys[:2])
    a = -jnp.exp(jax.random.normal(keys[2], (STATES, CHANNELS)))
    b, c = (jax.random.normal(key, (BATCH, tokens, STATES)) for key in keys[3:5])
    return u, jax.nn.softplus(dt), a, b, c, jax.random.normal(keys[5], (BATCH, STATES, CHANNELS))


@pytest.mark.parametrize(("tokens", "chunk"), [(1, 32), (8, 1), (23, 5), (23, 32)])
def test_the_selective_scan_equals_its_naive_twin_with_gradients(tokens: int, chunk: int) -> None:
    inputs = selective_inputs(tokens)
    found = outputs_and_gradients(lambda *z: selective_scan(*z, chunk=chunk), inputs)
    close(found, outputs_and_gradients(naive_selective_scan, inputs))


def test_the_selective_scan_goes_on_from_its_state() -> None:
    u, dt, a, b, c, h = selective_inputs(40)
    run = jax.jit(selective_scan)
    expected, pieces = run(u, dt, a, b, c, h), []
    for part in (slice(0, 33), slice(33, 34), slice(34, 40)):
        y, h = run(u[:, part], dt[:, part], a, b[:, part], c[:, part], h)
        pieces.append(y)
    close((jnp.concatenate(pieces, axis=1), h), expected)


def test_a_step_of_no_length_changes_nothing_and_a_long_one_forgets() -> None:
    u, dt, a, b, c, h = selective_inputs(4)
    np.testing.assert_array_equal(selective_scan(u, 0 * dt, a, b, c, h)[1], h)
    fresh = selective_scan(u, 1e4 * dt, a, b, c, jnp.zeros_like(h))
    close(selective_scan(u, 1e4 * dt, a, b, c, h), fresh)


def test_the_selective_scan_adds_up_in_float32() -> None:
    """Over 2048 tokens of bfloat16 only the outputs are rounded: slow decays lose nothing."""
    inputs = selective_inputs(2048)
    rounded = [z.astype(jnp.bfloat16) for z in inputs[:5]]
    h0 = jnp.zeros_like(inputs[5])
    found, _ = selective_scan(*rounded, h0)
    assert found.dtype == jnp.bfloat16
    expected, _ = selective_scan(*(z.astype(jnp.float32) for z in rounded), h0)
    np.testing.assert_allclose(np.float32(found), expected, rtol=1e-2, atol=1e-2)


# Sizes


@pytest.mark.parametrize("width", [64, 1024])
def test_state_sizes_start_as_published(width: int) -> None:
    """S4D-Lin, S4D-Real and steps from 0.001 to 0.1, at any width."""
    keys = jax.random.key(0)
    specs = (S4D(), S5(state_dim=width), S6(inner=width, dt_rank=4))
    s4d, s5, s6 = (
        module_class(type(spec))(spec, width).init(keys, method="create")["params"] for spec in specs
    )
    for found in (s4d, s5):
        np.testing.assert_allclose(np.exp(found["log_a_real"]), 0.5, rtol=1e-6)
        steps = np.exp(found["log_dt"])
        assert steps.min() > 0.00099 and steps.max() < 0.1001
    np.testing.assert_allclose(s4d["a_imag"][-1], np.pi * np.arange(32), rtol=1e-6)
    np.testing.assert_allclose(s5["a_imag"][:32], np.pi * np.arange(32), rtol=1e-6)
    np.testing.assert_allclose(np.exp(s6["a_log"])[:, -1], np.arange(1, 17), rtol=1e-5)
    steps = jax.nn.softplus(s6["dt_bias"])
    np.testing.assert_allclose((steps.min(), steps.max()), (0.001, 0.1), rtol=1e-3)
