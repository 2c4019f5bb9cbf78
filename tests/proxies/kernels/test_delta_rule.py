"""The delta rule in chunks: equal to the recurrence as written, for any chunk, length and decay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from proxies.kernels import delta_rule as kernels
from proxies.kernels.delta_rule import corrected_state, unit
from proxies.kernels.gated_state import readout

delta_rule = jax.jit(kernels.delta_rule, static_argnames="chunk")
naive_delta_rule = jax.jit(kernels.naive_delta_rule)

BATCH, HEADS, KEYS, VALUES = 2, 2, 6, 5
EPS = 1e-6
either_decay = pytest.mark.parametrize("per", ["head", "channel"])


def inputs(tokens: int, per: str, low: float = -3.0, alike: float = 0.0) -> list[jax.Array]:
    """`q, k, v, beta, log_decay`; many decays near 1, the strongest `exp(low)`; keys `alike` from 0 to 1."""
    rng = np.random.default_rng(tokens)
    q, k = rng.standard_normal((2, BATCH, tokens, HEADS, KEYS))
    k = (1 - alike) * k + alike
    v = rng.standard_normal((BATCH, tokens, HEADS, VALUES))
    beta = rng.uniform(size=(BATCH, tokens, HEADS))
    channels = 1 if per == "head" else KEYS
    log_decay = low * rng.uniform(size=(BATCH, tokens, HEADS, channels)) ** 3
    q, k, v, beta, log_decay = (jnp.asarray(z, jnp.float32) for z in (q, k, v, beta, log_decay))
    return [unit(q, EPS), unit(k, EPS), v, beta, log_decay]


def state() -> jax.Array:
    return jax.random.normal(jax.random.key(5), (BATCH, HEADS, KEYS, VALUES))


def close(a, b, rtol=2e-4, atol=2e-6) -> None:
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=rtol, atol=atol), a, b)


def values_and_gradients(kernel, *arguments):
    """Outputs, last state, and the gradients of both with respect to everything."""

    def loss(*arguments):
        o, s = kernel(*arguments)
        weights = jnp.cos(jnp.arange(o.size)).reshape(o.shape), jnp.sin(jnp.arange(s.size)).reshape(s.shape)
        return (weights[0] * o).mean() + (weights[1] * s).mean(), (o, s)

    everything = tuple(range(len(arguments)))
    return jax.jit(jax.value_and_grad(loss, everything, has_aux=True))(*arguments)


@either_decay
@pytest.mark.parametrize("tokens", [5, 75])
def test_equals_the_recurrence_with_gradients(per: str, tokens: int) -> None:
    arguments = [*inputs(tokens, per), state()]
    found = values_and_gradients(delta_rule, *arguments)
    close(found, values_and_gradients(naive_delta_rule, *arguments))


@either_decay
@pytest.mark.parametrize("low", [-1e-4, -20.0, -200.0])
def test_weak_and_strong_decays_with_gradients(per: str, low: float) -> None:
    arguments = [*inputs(50, per, low), state()]
    found = values_and_gradients(delta_rule, *arguments)
    close(found, values_and_gradients(naive_delta_rule, *arguments))


@either_decay
@pytest.mark.parametrize("chunk", [4, 64])
def test_the_chunk_does_not_matter(per: str, chunk: int) -> None:
    arguments = inputs(75, per)
    close(delta_rule(*arguments, chunk=chunk), naive_delta_rule(*arguments))


@either_decay
def test_keys_that_are_alike_lose_no_digits(per: str) -> None:
    """Powers of the triangular matrix would reach 1e17 here."""
    q, k, v, _, log_decay = inputs(64, per, low=-1e-3, alike=1.0)
    arguments = (q, k, v, jnp.ones((BATCH, 64, HEADS)), log_decay)
    close(delta_rule(*arguments, chunk=64), naive_delta_rule(*arguments), rtol=1e-3, atol=1e-5)


@either_decay
def test_without_beta_the_state_only_decays(per: str) -> None:
    q, k, v, beta, log_decay = inputs(20, per)
    o, last = delta_rule(q, k, v, 0 * beta, log_decay, state())
    faded = jnp.exp(jnp.cumsum(log_decay, axis=1))[..., None] * state()[:, None]
    close(last, faded[:, -1])
    close(o, jnp.einsum("bthk,bthkv->bthv", q, faded))


@either_decay
def test_with_beta_one_the_last_value_is_recalled(per: str) -> None:
    """The state holds exactly the last value for the last key."""
    _, k, v, beta, log_decay = inputs(20, per)
    close(delta_rule(k, k, v, 0 * beta + 1, log_decay, state())[0], v, rtol=1e-3, atol=1e-4)


@either_decay
def test_token_by_token(per: str) -> None:
    arguments, s, outputs = inputs(9, per), state(), []
    for t in range(9):
        q, *rest = (z[:, t] for z in arguments)
        s = corrected_state(*rest, s)
        outputs.append(readout(q, s))
    close((jnp.stack(outputs, axis=1), s), delta_rule(*arguments, state()))


@either_decay
def test_strong_decays_and_bfloat16_stay_finite(per: str) -> None:
    arguments = [z.astype(jnp.bfloat16) for z in (*inputs(70, per, low=-1e4), state())]
    leaves = jax.tree.leaves(values_and_gradients(delta_rule, *arguments))
    assert {leaf.dtype for leaf in leaves[1:]} == {jnp.dtype(jnp.bfloat16)}
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


def test_unit_vectors() -> None:
    x = jnp.array([[3.0, 4.0], [0.0, 0.0], [3e-4, 4e-4]])
    close(unit(x, EPS), [[0.6, 0.8], [0.0, 0.0], [3e-4 / np.sqrt(1.25e-6), 4e-4 / np.sqrt(1.25e-6)]])
    assert unit(x.astype(jnp.bfloat16), EPS).dtype == jnp.bfloat16


def test_a_chunk_of_broken_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk = 6; legal: a multiple of 4"):
        delta_rule(*inputs(20, "channel"), chunk=6)
