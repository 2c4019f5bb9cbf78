"""Operators that each break one property, and one that breaks none."""

from collections.abc import Mapping
from typing import ClassVar, Self

import jax.numpy as jnp

from genomes import Operator, Scale
from genomes.operators import Kind, Value
from proxies.axes import Array, Hidden, Position, State
from proxies.operators.base import OperatorModule, fan_in


class Shift(Operator):
    """`y_t = x_{t-1} W`: breaks nothing."""

    name: ClassVar[str] = "shift"
    kind: ClassVar[Kind] = "convolution"
    module: ClassVar[str] = "support.broken_operators:ShiftModule"

    @classmethod
    def at(cls, scale: Scale, settings: Mapping[str, Value]) -> Self:
        return cls()

    def weights(self, width: int) -> dict[str, tuple[int, ...]]:
        return {"out": (width, width)}

    def decode_flops(self, width: int, context: int) -> int:
        return self.matrix_flops(width, "out")

    def state(self, width: int, context: int) -> dict[str, tuple[int, ...]]:
        return {"last": (1, width)}

    def activation_elements(self, width: int) -> int:
        return 0


class ShiftModule(OperatorModule):
    def setup(self) -> None:
        self.out = self.weight("out", fan_in())

    def __call__(self, x: Hidden) -> Hidden:
        return self.mix(jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1])

    def mix(self, x: Array) -> Array:
        return x @ self.out

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        seen = jnp.concatenate([state["last"], x], axis=1)
        return self.mix(seen[:, :-1]), {"last": seen[:, -1:]}

    def reference(self, x: Hidden) -> Hidden:
        return jnp.roll(x, 1, axis=1).at[:, 0].set(0) @ self.out


class Peeking(Shift):
    """Sees the next token."""

    name: ClassVar[str] = "peeking"
    module: ClassVar[str] = "support.broken_operators:PeekingModule"


class PeekingModule(ShiftModule):
    def __call__(self, x: Hidden) -> Hidden:
        return self.mix(jnp.pad(x, ((0, 0), (0, 1), (0, 0)))[:, 1:])


class Blind(Shift):
    """Sees no other token, though no memoryless kind."""

    module: ClassVar[str] = "support.broken_operators:BlindModule"


class BlindModule(ShiftModule):
    def __call__(self, x: Hidden) -> Hidden:
        return self.mix(x)


class Larger(Shift):
    """Declares a larger weight than it has."""

    module: ClassVar[str] = "support.broken_operators:LargerModule"


class LargerModule(ShiftModule):
    def setup(self) -> None:
        self.out = self.param("out", fan_in(), (self.width, 2 * self.width))


class Unequal(Shift):
    """Its fast form is not its reference."""

    module: ClassVar[str] = "support.broken_operators:UnequalModule"


class UnequalModule(ShiftModule):
    def mix(self, x: Array) -> Array:
        return 1.001 * (x @ self.out)


class Averaging(Shift):
    """Divides by the length of the sequence."""

    module: ClassVar[str] = "support.broken_operators:AveragingModule"


class AveragingModule(ShiftModule):
    def mix(self, x: Array) -> Array:
        return x @ self.out / x.shape[1]


class Forgetful(Shift):
    """Decodes without its state."""

    module: ClassVar[str] = "support.broken_operators:ForgetfulModule"


class ForgetfulModule(ShiftModule):
    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        y, _ = super().extend(x, state, position)
        return y, state


class Growing(Shift):
    """Its state grows as it decodes."""

    module: ClassVar[str] = "support.broken_operators:GrowingModule"


class GrowingModule(ShiftModule):
    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        y, after = super().extend(x, {"last": state["last"][:, -1:]}, position)
        return y, {"last": jnp.concatenate([state["last"], after["last"]], axis=1)}


class Stateless(Shift):
    """Keeps a state of another size than it declares."""

    module: ClassVar[str] = "support.broken_operators:StatelessModule"


class StatelessModule(ShiftModule):
    def initial_state(self, batch: int, context: int, dtype=jnp.float32) -> dict[str, Array]:
        return {"last": jnp.zeros((batch, 2, self.width), dtype)}


class Cheap(Shift):
    """Counts a prompt's FLOPs at half."""

    def prefill_flops(self, width: int, tokens: int) -> int:
        return super().prefill_flops(width, tokens) // 2


class Overflowing(Shift):
    """Infinite where its input is large."""

    module: ClassVar[str] = "support.broken_operators:OverflowingModule"


class OverflowingModule(ShiftModule):
    def mix(self, x: Array) -> Array:
        return (x @ self.out) * jnp.exp(jnp.square(x)).astype(x.dtype)


class Failing(Shift):
    """Raises."""

    module: ClassVar[str] = "support.broken_operators:FailingModule"


class FailingModule(ShiftModule):
    def __call__(self, x: Hidden) -> Hidden:
        raise ZeroDivisionError("no luck")
