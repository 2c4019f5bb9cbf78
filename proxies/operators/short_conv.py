"""Gated short convolution; see `genomes.operators.short_conv`."""

from collections.abc import Callable
from typing import ClassVar

import jax.numpy as jnp

from proxies.axes import Array, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, fan_in, taps


class ShortConv(OperatorModule):
    """Its state holds the last gated inputs."""

    exempt: ClassVar[frozenset[str]] = frozenset({"conv"})

    def setup(self) -> None:
        """Create the weights."""
        self.in_proj, self.conv = self.weight("in_proj"), self.weight("conv", taps())
        self.out_proj = self.weight("out_proj", fan_in(self.residual_scale))

    def _apply(self, x: Hidden, convolve: Callable[[Array, Array], Array]) -> tuple[Hidden, Array]:
        b, c, u = jnp.split(project(x, self.in_proj), 3, axis=-1)
        gated = b * u
        return project(c * convolve(gated, self.conv), self.out_proj), gated

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens at once."""
        return self._apply(x, causal_conv)[0]

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens, convolved with the inputs before them."""
        del position
        y, gated = self._apply(x, lambda u, kernel: causal_conv(u, kernel, state["conv"]))
        return y, {"conv": conv_state(gated, state["conv"])}

    def reference(self, x: Hidden) -> Hidden:
        """By Toeplitz matrices."""
        return self._apply(x, naive_causal_conv)[0]
