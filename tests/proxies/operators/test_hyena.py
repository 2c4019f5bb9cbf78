"""Gated convolutions at their defaults; the implicit filter of Hyena."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import Attention, Hyena, HyenaX, HyenaY, Operator, ShortConv
from proxies.operators import module_class

FAMILY = [ShortConv(), ShortConv(kernel=128), HyenaX(), HyenaY(kernel=128), Hyena(), Hyena(filter_length=128)]


@pytest.mark.parametrize("spec", FAMILY, ids=str)
@pytest.mark.parametrize("width", [64, 1024])
def test_defaults_build_at_every_width(spec: Operator, width: int) -> None:
    module = module_class(type(spec))(spec, width)
    x = jnp.zeros((1, 40, width))
    (y, shapes) = jax.eval_shape(module.init_with_output, jax.random.key(0), x)
    assert y.shape == x.shape
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == spec.parameters(width)


@pytest.mark.parametrize(
    "spec",
    [
        HyenaY(kernel=7),
        HyenaY(kernel=60),
        ShortConv(kernel=60),
        HyenaX(kernel=60),
        Hyena(filter_length=60),
        Attention(heads=2, kv_heads=1, head_dim=8, window=30),
        Attention(heads=2, kv_heads=1, head_dim=8, conv=60),
        Attention(heads=2, kv_heads=1, head_dim=8, window=29),
    ],
    ids=str,
)
def test_the_canonical_form_is_the_same_function(spec: Operator) -> None:
    """Of sequences of 30 tokens; with the nearest taps of filters that such sequences do not fill."""
    plain = spec.canonical(30)
    module, other = (module_class(type(each))(each, 16) for each in (spec, plain))
    x = jax.random.normal(jax.random.key(1), (2, 30, 16))
    weights = module.init(jax.random.key(0), x)["params"]
    shapes = plain.weights(16)
    cut = {name: weight[-shapes[name][0] :] for name, weight in weights.items()}
    assert any(cut[name].shape != weights[name].shape for name in cut) == any(
        getattr(spec, name) == 60 for name in spec.filters
    )
    np.testing.assert_allclose(
        other.apply({"params": cut}, x), module.apply({"params": weights}, x), rtol=1e-4, atol=1e-5
    )


def implicit(spec: Hyena, width: int = 64):
    """A Hyena as initialised, and its implicit filter."""
    module = module_class(Hyena)(spec, width)
    variables = module.init(jax.random.key(0), method="create")

    def at(first: int, lags: int, context: int) -> jax.Array:
        run = jax.jit(lambda v, first: module.apply(v, first, lags, context, method="_implicit"))
        return run(variables, first)

    return module, variables, at


def test_the_implicit_filter_is_that_of_the_paper() -> None:
    """Its window, network and skip in float64, at lags far beyond the horizon too."""
    spec = Hyena(horizon=32)
    _, variables, at = implicit(spec)
    p = {name: np.float64(value) for name, value in variables["params"].items()}
    time = np.arange(100)[:, None] / 32
    angles = 2 * np.pi * time * np.linspace(1e-4, 15, 16)
    z = np.concatenate([time, np.cos(angles), np.sin(angles)], axis=1)
    layers = [(p["filter_in"], p["filter_in_bias"])]
    layers += zip(p["filter_inner"], p["filter_inner_bias"], strict=True)
    for weight, bias in layers:
        z = np.sin(p["frequency"] * (z @ weight + bias))
    expected = 0.01 ** (time * np.linspace(1 / 1.5, 1 / 0.3, 64)) * (z @ p["filter_out"])
    expected[0] += p["skip"]
    np.testing.assert_allclose(at(0, 100, 100), expected, atol=1e-4)


def test_a_filter_does_not_depend_on_how_it_is_asked_for() -> None:
    """The network amplifies roundings, so its inputs must be the same to the last bit."""
    _, _, at = implicit(Hyena())
    whole = at(0, 90, 90)
    parts = [at(0, 50, 200), at(50, 1, 200), at(51, 39, 200)]
    np.testing.assert_allclose(jnp.concatenate(parts), whole, atol=1e-4)


def test_a_long_prompt_goes_on_as_in_parallel() -> None:
    """Halved pieces with what came before, past a horizon, in a state with room to spare."""
    module, variables, _ = implicit(Hyena(horizon=64), 16)
    x = jax.random.normal(jax.random.key(1), (2, 301, 16))
    extend = jax.jit(lambda x, state, at: module.apply(variables, x, state, at, method="extend"))
    state, outputs = module.initial_state(2, 320), []
    for start, stop in ((0, 150), (150, 300), (300, 301)):
        y, state = extend(x[:, start:stop], state, start)
        outputs.append(y)
    expected = jax.jit(module.apply)(variables, x)
    np.testing.assert_allclose(jnp.concatenate(outputs, axis=1), expected, rtol=1e-3, atol=1e-4)
