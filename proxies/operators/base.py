"""What every operator module offers: training, prefill and decoding of one residual branch."""

from collections.abc import Callable
from math import prod
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genomes import Operator
from proxies.axes import Array, Features, Hidden, Position, State

Initializer = Callable[..., Array]
Rotate = Callable[[Array], Array]
"""Gives vectors their positions."""
Convolve = Callable[..., Array]
"""A causal convolution: fast or naive, with a past or without."""


class Shared(NamedTuple):
    """What a block that shares features is given when decoding."""

    features: Features
    """Features of the new tokens."""
    before: dict[str, Array]
    """The donor's entries of state before the new tokens."""
    after: dict[str, Array]
    """The donor's entries of state after them."""


NOTHING = Shared({}, {}, {})


class OperatorModule(nn.Module):
    """Base of the Flax modules; one subclass a file, taking its operator value as `spec`.

    Subclasses create the weights that `spec.weights(width)` declares, in `setup`, through `weight`, and
    define `__call__`, `extend` and `reference`. Those whose value has `feature_groups` define `features`, and
    take `shared`: features of an earlier block (`Features` in `__call__`, `Shared` in `extend`) that stand in
    for their own.
    """

    exempt: ClassVar[frozenset[str]] = frozenset()
    """Weights of two axes or more that are no projections: biases, decays, taps, a filter's network. Weight
    decay leaves them alone, as it does all of one axis, and their rate does not depend on the width."""

    spec: Any
    width: int
    norm_eps: float = 1e-5
    residual_scale: float = 1.0
    """Factor on the initial output projection, by which the block starts on the scale of the stream."""

    def weight(self, name: str, initializer: Initializer | None = None) -> Any:
        """The declared weight `name`; matrices start normal with variance 1 / fan-in.

        None where the block shares what the weight would compute.
        """
        shapes = self.spec.own_weights(self.width)
        return self.param(name, initializer or fan_in(), shapes[name]) if name in shapes else None

    def initial_state(self, batch: int, context: int, dtype: Any = jnp.float32) -> dict[str, Array]:
        """An empty state with room for `context` tokens; constants stand in it once for all sequences."""
        spec: Operator = self.spec
        own, once = spec.own_state(self.width, context), spec.constants(self.width, context)
        shapes = {name: (batch, *shape) for name, shape in own.items()}
        shapes |= {name: (1, *shape) for name, shape in once.items()}
        return {name: jnp.zeros(shape, dtype) for name, shape in shapes.items()}

    def create(self) -> None:
        """Create the weights (by `setup`), and nothing else."""

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """What later blocks may share of these tokens, after `position` tokens that left `state`."""
        del x, position, state
        return {}

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens of a sequence at once, for training."""
        raise NotImplementedError

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens after `position` tokens, and the new state: prefill (T > 1) and decode (T = 1)."""
        raise NotImplementedError

    def reference(self, x: Hidden) -> Hidden:
        """The same as `__call__`, with the naive kernel: slow, plain, for tests."""
        raise NotImplementedError


def fan_in(scale: float = 1.0) -> Initializer:
    """Normal with standard deviation `scale / sqrt(fan-in)`; the fan-in is the second last axis."""
    return drawn(lambda rng, shape: scale / np.sqrt(shape[-2]) * rng.standard_normal(shape))


def taps() -> Initializer:
    """Uniform within `1 / sqrt(taps)`, as the depthwise convolutions of the published code start (PyTorch's
    `Conv1d`)."""
    return drawn(lambda rng, shape: shape[-2] ** -0.5 * rng.uniform(-1, 1, shape))


def normal(std: float) -> Initializer:
    """Normal with standard deviation `std`."""
    return drawn(lambda rng, shape: std * rng.standard_normal(shape))


def constant(value: float) -> Initializer:
    """Every element `value`."""
    return drawn(lambda _, shape: np.full(shape, value))


def spread(low: float, high: float, transform: Callable[[np.ndarray], np.ndarray]) -> Initializer:
    """`transform` of values spread evenly from `low` to `high`; the same for every seed."""
    return drawn(lambda _, shape: transform(np.linspace(low, high, prod(shape))).reshape(shape))


def inverse_softplus(y: np.ndarray) -> np.ndarray:
    """What softplus makes `y` of."""
    x: np.ndarray = np.log(np.expm1(y))
    return x


def step_bias(exponents: np.ndarray) -> np.ndarray:
    """The biases at which steps, a softplus, start at `10 ** exponents`: from -3 to -1 as Mamba-2's (arXiv
    2405.21060) and, after it, the published delta rules'."""
    return inverse_softplus(10.0**exponents)


def drawn(draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]) -> Initializer:
    """An initializer that draws with numpy, from the key's bits.

    jax would compile a program for each shape, which takes longer than training a small proxy for a
    hundred steps. Inside a traced function only the shape is known, and the values are NaN.
    """

    def initialize(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        if isinstance(key, jax.core.Tracer):
            return jnp.full(shape, jnp.nan, dtype)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        return jnp.asarray(draw(rng, shape), dtype)

    return initialize
