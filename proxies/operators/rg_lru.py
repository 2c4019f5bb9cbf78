"""Real-gated linear recurrent unit; see `genomes.operators.rg_lru`."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Channels, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.linear_recurrence import linear_recurrence, naive_linear_recurrence
from proxies.kernels.project import project
from proxies.operators.base import OperatorModule, constant, fan_in, inverse_softplus, spread, taps


class RGLRU(OperatorModule):
    """Its state holds the last inputs of the convolution and the recurrence."""

    exempt: ClassVar[frozenset[str]] = frozenset({"conv"})

    def setup(self) -> None:
        """Create the weights; decays at an open gate start between 0.9 and 0.999."""
        zeros = constant(0)
        self.linear_y, self.linear_x = self.weight("linear_y"), self.weight("linear_x")
        self.conv, self.conv_bias = self.weight("conv", taps()), self.weight("conv_bias", zeros)
        self.input_gate, self.input_bias = self.weight("input_gate"), self.weight("input_gate_bias", zeros)
        self.recurrence_gate = self.weight("recurrence_gate")
        self.recurrence_bias = self.weight("recurrence_gate_bias", zeros)
        # At an open gate, a decay of `a` is `exp(-rate softplus(decay)) = a`.
        decay = spread(0.9, 0.999, lambda a: inverse_softplus(-np.log(a) / self.spec.DECAY_RATE))
        self.decay = self.weight("decay", decay)
        self.linear_out = self.weight("linear_out", fan_in(self.residual_scale))
        biases = ("linear_y_bias", "linear_x_bias", "linear_out_bias")
        self.biases = [self.weight(name, zeros) for name in biases] if self.spec.bias else [0.0, 0.0, 0.0]

    def _gate(self, u: Channels, weight: Array, bias: Array) -> Channels:
        heads = u.reshape(*u.shape[:2], self.spec.heads, -1)
        return jax.nn.sigmoid(jnp.einsum("bthc,hcd->bthd", heads, weight).reshape(u.shape) + bias)

    def _recurrence_inputs(self, u: Channels, position: Position) -> tuple[Channels, Channels]:
        """Decay and input of each step; the very first token is not scaled down."""
        gate = self._gate(u, self.recurrence_gate, self.recurrence_bias)
        log_a = -self.spec.DECAY_RATE * gate * jax.nn.softplus(self.decay)
        first = (position + jnp.arange(u.shape[1]) == 0)[:, None]
        # 1 - a^2 as expm1 keeps its digits near a = 1; kept above 0 so that the root has a gradient.
        scale = jnp.sqrt(jnp.where(first, 1.0, jnp.maximum(-jnp.expm1(2 * log_a), 1e-12)))
        return jnp.exp(log_a), scale * self._gate(u, self.input_gate, self.input_bias) * u

    def _out(self, x: Hidden, h: Channels) -> Hidden:
        gate = jax.nn.gelu(project(x, self.linear_y) + self.biases[0], approximate=True)
        return project(gate * h, self.linear_out) + self.biases[2]

    def _whole(self, x: Hidden, convolve: Callable[..., Array], recur: Callable[..., Array]) -> Hidden:
        u = convolve(project(x, self.linear_x) + self.biases[1], self.conv) + self.conv_bias
        return self._out(x, recur(*self._recurrence_inputs(u, 0), jnp.zeros_like(u[:, 0])))

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens, by a sequential scan with its own gradient."""
        return self._whole(x, causal_conv, linear_recurrence)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        projected = project(x, self.linear_x) + self.biases[1]
        u = causal_conv(projected, self.conv, state["conv"]) + self.conv_bias
        h = linear_recurrence(*self._recurrence_inputs(u, position), state["h"])
        return self._out(x, h), {"conv": conv_state(projected, state["conv"]), "h": h[:, -1]}

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._whole(x, naive_causal_conv, naive_linear_recurrence)
