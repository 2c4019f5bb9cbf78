"""S4D; see `genomes.operators.s4d`."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Channels, Features, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv
from proxies.kernels.diagonal_ssm import (
    as_complex,
    as_real,
    diagonal_ssm,
    discretise,
    naive_diagonal_ssm,
    next_ssm_state,
    ssm_kernel,
    ssm_readout,
)
from proxies.kernels.project import project
from proxies.operators.base import NOTHING, OperatorModule, Shared, constant, drawn, fan_in, normal, spread


class S4D(OperatorModule):
    """Its state holds the complex states of each channel (`C N`)."""

    exempt: ClassVar[frozenset[str]] = frozenset({"log_a_real", "a_imag", "c"})

    def setup(self) -> None:
        """Create the weights: S4D-Lin, `A_m = -1/2 + i pi m` (arXiv 2206.11893, section 4), and steps from
        0.001 to 0.1."""
        self.log_a_real = self.weight("log_a_real", constant(np.log(0.5)))
        frequencies = drawn(lambda _, shape: np.broadcast_to(np.pi * np.arange(shape[-1]), shape))
        self.a_imag = self.weight("a_imag", frequencies)
        self.c = self.weight("c", normal(0.5**0.5))
        self.log_dt = self.weight("log_dt", spread(np.log(0.001), np.log(0.1), np.asarray))
        self.d, self.out = self.weight("d", normal(1.0)), self.weight("out", fan_in(self.residual_scale))

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """The input `u` itself and, alike for all tokens, `log_decay` and the input's factor `b` (`C M`)."""
        del position, state
        if self.log_dt is None:
            return {}
        log_decay, b = discretise(self.log_a_real, self.a_imag, self.log_dt[:, None])
        return {"u": x.astype(jnp.float32), "log_decay": log_decay, "b": b}

    def _inputs(self, x: Hidden, shared: Features) -> tuple[Channels, Array, Array]:
        features = self.features(x) | shared
        return features["u"], features["log_decay"], 2 * as_complex(self.c) * features["b"]

    def _merge(self, x: Hidden, y: Channels) -> Hidden:
        y = jax.nn.gelu(y.astype(x.dtype) + self.d * x, approximate=True)
        u, gate = jnp.split(project(y, self.out), 2, axis=-1)
        return u * jax.nn.sigmoid(gate)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, as a convolution."""
        u, log_decay, c = self._inputs(x, shared or {})
        return self._merge(x, causal_conv(u, ssm_kernel(log_decay, c, x.shape[1])[::-1]))

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state; a shared state is only read."""
        del position
        u, log_decay, c = self._inputs(x, shared.features)
        before = as_complex(shared.before["s"] if shared.before else state["s"])
        if x.shape[1] > 1:
            y, h = diagonal_ssm(u, log_decay, c, before)
        else:
            h = as_complex(shared.after["s"]) if shared.after else next_ssm_state(u[:, 0], log_decay, before)
            y = ssm_readout(c, h)[:, None]
        return self._merge(x, y), {name: as_real(h).astype(z.dtype) for name, z in state.items()}

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        empty = as_complex(jnp.zeros((*x.shape[::2], self.spec.state_dim)))
        return self._merge(x, naive_diagonal_ssm(*self._inputs(x, {}), empty)[0])
