"""Gated DeltaNet; see `genomes.operators.gated_deltanet`."""

import jax
import jax.numpy as jnp

from proxies.axes import Array, Channels, Hidden
from proxies.kernels.project import project
from proxies.operators.base import spread, step_bias
from proxies.operators.delta_rule import DeltaRule


class GatedDeltaNet(DeltaRule):
    """One decay a head, a swish gate."""

    def setup(self) -> None:
        """Create the weights."""
        super().setup()
        self.a, self.dt_bias = self.weight("a"), self.weight("dt_bias", spread(-3.0, -1.0, step_bias))
        self.z = self.weight("z")

    def _log_decay(self, x: Hidden) -> Array:
        step = jax.nn.softplus(project(x, self.a).astype(jnp.float32) + self.dt_bias)
        return (-jnp.exp(self.a_log.astype(jnp.float32)) * step)[..., None]

    def _gate(self, x: Hidden) -> Channels:
        return jax.nn.silu(project(x, self.z))
