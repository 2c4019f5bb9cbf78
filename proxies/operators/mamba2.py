"""Mamba-2; see `genomes.operators.mamba2`."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.gated_state import head_decay, naive_gated_state, next_state, readout
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators.base import OperatorModule, constant, fan_in, spread, step_bias, taps

Inputs = tuple[Array, Array, Array, Array]


class Mamba2(OperatorModule):
    """Its state holds the last inputs of the convolution and one matrix a head (`V N`)."""

    exempt: ClassVar[frozenset[str]] = frozenset({"conv"})

    def setup(self) -> None:
        """Create the weights; steps start from 0.001 to 0.1, decays from 1 to 16, as published."""
        self.in_proj, self.conv = self.weight("in_proj"), self.weight("conv", taps())
        self.conv_bias = self.weight("conv_bias", constant(0))
        self.dt_bias = self.weight("dt_bias", spread(-3.0, -1.0, step_bias))
        self.a_log, self.d = self.weight("a_log", spread(1.0, 16.0, np.log)), self.weight("d", constant(1))
        self.norm = self.weight("norm", constant(1))
        self.out_proj = self.weight("out_proj", fan_in(self.residual_scale))

    def _project(self, x: Hidden) -> tuple[Array, Array, Array]:
        """`z`, `xBC` before the convolution, and the steps `dt` (`B T H`)."""
        inner, conv = self.spec.inner, self.spec.conv_width
        z, xbc, dt = jnp.split(project(x, self.in_proj), [inner, inner + conv], axis=-1)
        return z, xbc, jax.nn.softplus(dt + self.dt_bias)

    def _recurrence_inputs(self, convolved: Array, dt: Array) -> tuple[Inputs, Array]:
        """`C, B, dt u, log decay` as a gated state takes them, and `u`."""
        spec, lead = self.spec, convolved.shape[:2]
        xbc = jax.nn.silu(convolved + self.conv_bias)
        u, b, c = jnp.split(xbc, [spec.inner, spec.inner + spec.groups * spec.state_dim], axis=-1)
        u = u.reshape(*lead, spec.heads, spec.head_dim)
        b, c = (m.reshape(*lead, spec.groups, spec.state_dim) for m in (b, c))
        return (c, b, dt[..., None] * u, -dt * jnp.exp(self.a_log)), u

    def _merge(self, z: Array, o: Array, u: Array) -> Hidden:
        y = (o + self.d[:, None] * u).reshape(z.shape) * jax.nn.silu(z)
        groups = (*z.shape[:2], self.spec.groups, -1)
        normed = rms_norm(y.reshape(groups), self.norm.reshape(groups[2:]), self.norm_eps)
        return project(normed.reshape(z.shape), self.out_proj)

    def _whole(self, x: Hidden, convolve: Callable[..., Array], mix: Callable[..., Array]) -> Hidden:
        z, xbc, dt = self._project(x)
        inputs, u = self._recurrence_inputs(convolve(xbc, self.conv), dt)
        return self._merge(z, mix(*inputs), u)

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens, in chunks."""
        return self._whole(x, causal_conv, lambda *inputs: head_decay(*inputs)[0])

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        del position
        z, xbc, dt = self._project(x)
        inputs, u = self._recurrence_inputs(causal_conv(xbc, self.conv, state["conv"]), dt)
        s = state["s"].swapaxes(2, 3)
        if x.shape[1] > 1:
            o, s = head_decay(*inputs, s)
        else:
            c, b, v, log_decay = (m[:, 0] for m in inputs)
            c, b = (jnp.repeat(m, self.spec.heads // self.spec.groups, axis=1) for m in (c, b))
            s = next_state(b, v, log_decay[..., None], s)
            o = readout(c, s)[:, None]
        return self._merge(z, o, u), {"conv": conv_state(xbc, state["conv"]), "s": s.swapaxes(2, 3)}

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._whole(x, naive_causal_conv, naive_gated_state)
