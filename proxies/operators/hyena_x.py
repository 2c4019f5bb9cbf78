"""Hyena-X; see `genomes.operators.hyena_x`."""

from typing import ClassVar

import jax.numpy as jnp

from proxies.axes import Array, Channels, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, fan_in, taps


class HyenaX(OperatorModule):
    """Its state holds the last inputs of the convolution. Hyena adds an inner convolution."""

    exempt: ClassVar[frozenset[str]] = frozenset({"conv"})

    def setup(self) -> None:
        """Create the weights."""
        self.in_proj, self.conv = self.weight("in_proj"), self.weight("conv", taps())
        self.out_proj = self.weight("out_proj", fan_in(self.residual_scale))

    def _inner(self, u: Channels) -> Channels:
        return u

    def _naive_inner(self, u: Channels) -> Channels:
        return u

    def _extend_inner(self, u: Channels, state: State, position: Position) -> tuple[Channels, State]:
        del state, position
        return u, {}

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens at once."""
        q, u = _gates(causal_conv(project(x, self.in_proj), self.conv))
        return project(q * self._inner(u), self.out_proj)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens, convolved with the inputs before them."""
        projected = project(x, self.in_proj)
        q, u = _gates(causal_conv(projected, self.conv, state["conv"]))
        mixed, inner = self._extend_inner(u, state, position)
        return project(q * mixed, self.out_proj), {"conv": conv_state(projected, state["conv"]), **inner}

    def reference(self, x: Hidden) -> Hidden:
        """By Toeplitz matrices."""
        q, u = _gates(naive_causal_conv(project(x, self.in_proj), self.conv))
        return project(q * self._naive_inner(u), self.out_proj)


def _gates(convolved: Array) -> tuple[Channels, Channels]:
    """`q` and `k * v`."""
    q, k, v = jnp.split(convolved, 3, axis=-1)
    return q, k * v
