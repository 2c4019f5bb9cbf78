"""Linear attention with decay: chunks that can hold an operator's floor, and no others."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import GatedLinearAttention
from proxies.kernels.gated_state import (
    CHANNEL_DECAY_CHUNK,
    LARGEST_EXPONENT,
    channel_decay,
    naive_gated_state,
)
from proxies.operators import module_class

FLOOR = GatedLinearAttention.LEAST_LOG_DECAY
BATCH, TOKENS, HEADS, KEYS, VALUES = 2, 40, 2, 4, 3


def inputs(log_decay: float) -> tuple[jax.Array, ...]:
    """`q, k, v` and the same decay for every token and channel."""
    keys = jax.random.split(jax.random.key(3), 3)
    shapes = [(BATCH, TOKENS, HEADS, size) for size in (KEYS, KEYS, VALUES)]
    q, k, v = (jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True))
    return q, k, v, jnp.full((BATCH, TOKENS, HEADS, KEYS), log_decay)


@pytest.mark.parametrize("log_decay", [FLOOR, -0.1, 0.0])
def test_the_chunk_holds_the_floor_of_its_operator(log_decay: float) -> None:
    assert -FLOOR * CHANNEL_DECAY_CHUNK <= LARGEST_EXPONENT < np.log(np.finfo(np.float32).max)
    arguments = inputs(log_decay)
    outputs, last = jax.jit(partial(channel_decay, least_log_decay=FLOOR))(*arguments)
    np.testing.assert_allclose(outputs, jax.jit(naive_gated_state)(*arguments), rtol=2e-4, atol=2e-5)
    assert jnp.isfinite(last).all()


@pytest.mark.parametrize(("chunk", "floor"), [(CHANNEL_DECAY_CHUNK + 1, FLOOR), (CHANNEL_DECAY_CHUNK, -6.0)])
def test_a_chunk_that_could_overflow_is_refused(chunk: int, floor: float) -> None:
    with pytest.raises(ValueError, match=rf"chunk = {chunk} with least_log_decay = {floor:g}; legal: .* -80"):
        channel_decay(*inputs(0.0), least_log_decay=floor, chunk=chunk)


def test_the_operator_decays_no_faster_than_its_floor() -> None:
    spec = GatedLinearAttention(heads=2, key_dim=4, value_dim=12)
    module = module_class(type(spec))(spec, 24)
    params = module.init(jax.random.key(0), method="create")["params"]
    params["decay_bias"] = jnp.full_like(params["decay_bias"], -1e4)
    features = module.apply({"params": params}, jnp.ones((1, 3, 24)), method="features")
    assert (features["log_decay"] == FLOOR).all()
