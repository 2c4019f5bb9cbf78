"""The selective scan: its naive twin in chunks of any length, on from any state, summed in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxies.kernels.selective_scan import naive_selective_scan, selective_scan
from support.kernel_cases import close, outputs_and_gradients

BATCH, CHANNELS, PAIRS, STATES = 2, 3, 4, 5


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


def test_the_selective_scan_adds_up_in_float32() -> None:
    """Over 2048 tokens of bfloat16 only the outputs are rounded: slow decays lose nothing."""
    inputs = selective_inputs(2048)
    rounded = [z.astype(jnp.bfloat16) for z in inputs[:5]]
    h0 = jnp.zeros_like(inputs[5])
    found, _ = selective_scan(*rounded, h0)
    assert found.dtype == jnp.bfloat16
    expected, _ = selective_scan(*(z.astype(jnp.float32) for z in rounded), h0)
    np.testing.assert_allclose(np.float32(found), expected, rtol=1e-2, atol=1e-2)


def test_a_step_of_no_length_changes_nothing_and_a_long_one_forgets() -> None:
    u, dt, a, b, c, h = selective_inputs(4)
    np.testing.assert_array_equal(selective_scan(u, 0 * dt, a, b, c, h)[1], h)
    fresh = selective_scan(u, 1e4 * dt, a, b, c, jnp.zeros_like(h))
    close(selective_scan(u, 1e4 * dt, a, b, c, h), fresh)
