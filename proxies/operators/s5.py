"""S5; see `genomes.operators.s5`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Features, Hidden, Position, State
from proxies.kernels.diagonal_ssm import as_complex, as_real, discretise
from proxies.kernels.linear_recurrence import linear_recurrence, naive_linear_recurrence
from proxies.kernels.project import project
from proxies.operators.base import NOTHING, OperatorModule, Shared, constant, drawn, fan_in, normal

BLOCK = 32
"""Pairs of an initial block of `A`: wide models start with the frequencies of narrow ones."""


class S5(OperatorModule):
    """Its state holds the complex states (`N`), shared by all channels."""

    def setup(self) -> None:
        """Create the weights.

        `A` starts as blocks of S4D-Lin, `-1/2 + i pi m`, in place of the published blocks of HiPPO-N, whose
        eigenvalues these approximate (arXiv 2206.11893, section 4). Rotating normal matrices into an
        eigenbasis leaves them normal, so `B` and `C` are drawn there. Steps are log-uniform from 0.001 to
        0.1.
        """
        self.log_a_real = self.weight("log_a_real", constant(np.log(0.5)))
        frequencies = drawn(lambda _, shape: np.pi * (np.arange(shape[0]) % BLOCK))
        self.a_imag = self.weight("a_imag", frequencies)
        steps = drawn(lambda rng, shape: rng.uniform(np.log(0.001), np.log(0.1), shape))
        self.log_dt = self.weight("log_dt", steps)
        self.b = self.weight("b", fan_in(0.5**0.5))
        self.c = self.weight("c", fan_in(0.5**0.5 * self.residual_scale))
        self.d, self.gate = self.weight("d", normal(self.residual_scale)), self.weight("gate")

    def _states(self, x: Hidden, recur: Callable[..., Array], state: State | None = None) -> Array:
        """The complex states after each token, in float32."""
        h0 = state["s"] if state else jnp.zeros((x.shape[0], self.spec.state_dim))
        log_decay, factor = discretise(self.log_a_real, self.a_imag, self.log_dt)
        b = as_real(as_complex(self.b) * factor).astype(x.dtype)
        decay = jnp.broadcast_to(jnp.exp(log_decay), (1, x.shape[1], self.spec.pairs))
        return recur(decay, as_complex(project(x, b)), as_complex(h0))

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """The complex states `h` after each token."""
        del position
        return {} if self.b is None else {"h": self._states(x, linear_recurrence, state)}

    def _merge(self, x: Hidden, h: Array) -> Hidden:
        # Re(c h) = Re c Re h - Im c Im h, by one product.
        y = project(as_real(2 * h.conj()).astype(x.dtype), self.c) + self.d * x
        y = jax.nn.gelu(y, approximate=True)
        return y * jax.nn.sigmoid(project(y, self.gate))

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, by a sequential scan with its own gradient."""
        return self._merge(x, (shared or self.features(x))["h"])

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state; shared states are only read."""
        h = (shared.features or self.features(x, position, state))["h"]
        return self._merge(x, h), {name: as_real(h[:, -1]).astype(z.dtype) for name, z in state.items()}

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._merge(x, self._states(x, naive_linear_recurrence))
