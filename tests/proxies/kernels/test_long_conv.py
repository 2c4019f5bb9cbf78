"""Convolutions of any length: equal to the naive twin, causal to the last bit; the filters of Hyena."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import Hyena, HyenaX, HyenaY, Operator, Scale, ShortConv, parse_layout
from proxies.kernels.causal_conv import (
    LONGEST_BANDED,
    LONGEST_SHIFTED,
    causal_conv,
    conv_state,
    naive_causal_conv,
)
from proxies.kernels.long_conv import HALVING_CHUNK
from proxies.operators import module_class

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


# Operators

FAMILY = [ShortConv(), ShortConv(kernel=128), HyenaX(), HyenaY(kernel=128), Hyena(), Hyena(filter_length=128)]


@pytest.mark.parametrize("spec", FAMILY, ids=str)
@pytest.mark.parametrize("width", [64, 1024])
def test_defaults_build_at_every_width(spec: Operator, width: int) -> None:
    module = module_class(type(spec))(spec, width)
    x = jnp.zeros((1, 40, width))
    (y, shapes) = jax.eval_shape(module.init_with_output, jax.random.key(0), x)
    assert y.shape == x.shape
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == spec.parameters(width)


def test_layouts_name_the_family() -> None:
    layout = parse_layout("short_conv(128) hyena hyena(filter=3) hyena(horizon=256) hyena_x(7) hyena_y(64)")
    expected = (
        ShortConv(kernel=128),
        Hyena(),
        Hyena(filter_length=3),
        Hyena(horizon=256),
        HyenaX(kernel=7),
        HyenaY(kernel=64),
    )
    for scale in (Scale(width=64, head_dim=16), Scale(width=1024, head_dim=64)):
        assert layout.at(scale).blocks == expected


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
    expected = 0.01 ** (time / np.linspace(1.5, 0.3, 64)) * (z @ p["filter_out"])
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
