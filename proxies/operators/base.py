"""What every operator module offers: training, prefill and decoding of one residual branch."""

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from genomes import Operator
from proxies.axes import Array, Hidden, Position, State

Initializer = Callable[..., Array]


class OperatorModule(nn.Module):
    """Base of the Flax modules; one subclass a file, taking its operator value as `spec`.

    Subclasses create the weights that `spec.weights(width)` declares, in `setup`, through `weight`, and
    define `__call__`, `extend` and `reference`.
    """

    spec: Any
    width: int
    norm_eps: float = 1e-5
    residual_scale: float = 1.0
    """Factor on the initial output projection; `blocks ** -0.5` keeps the residual stream's size."""

    def weight(self, name: str, initializer: Initializer | None = None) -> Array:
        """The declared weight `name`; matrices start normal with variance 1 / fan-in."""
        shape = self.spec.weights(self.width)[name]
        weight: Array = self.param(name, initializer or fan_in(), shape)
        return weight

    def initial_state(self, batch: int, context: int, dtype: Any = jnp.float32) -> dict[str, Array]:
        """An empty state with room for `context` tokens."""
        spec: Operator = self.spec
        return {
            name: jnp.zeros((batch, *shape), dtype) for name, shape in spec.state(self.width, context).items()
        }

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

    def initialize(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return scale * jax.random.normal(key, shape, dtype) / jnp.sqrt(jnp.array(shape[-2], dtype))

    return initialize


def constant(value: float) -> Initializer:
    """Every element `value`."""

    def initialize(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        del key
        return jnp.full(shape, value, dtype)

    return initialize


def spread(low: float, high: float, transform: Callable[[Array], Array]) -> Initializer:
    """`transform` of values spread evenly from `low` to `high`; the same for every seed."""

    def initialize(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        del key
        return transform(jnp.linspace(low, high, prod(shape), dtype=dtype)).reshape(shape)

    return initialize
