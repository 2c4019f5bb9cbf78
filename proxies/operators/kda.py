"""Kimi Delta Attention; see `genomes.operators.kda`."""

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Channels, Hidden
from proxies.kernels.project import project
from proxies.operators.base import drawn, step_bias
from proxies.operators.delta_rule import DeltaRule


class KDA(DeltaRule):
    """One decay a key channel, a sigmoid gate; both of low rank."""

    def setup(self) -> None:
        """Create the weights; the channels of each head start with all steps."""
        super().setup()
        self.decay_down, self.decay_up = self.weight("decay_down"), self.weight("decay_up")
        steps = np.tile(step_bias(np.linspace(-3.0, -1.0, self.spec.key_dim)), self.spec.heads)
        self.dt_bias = self.weight("dt_bias", drawn(lambda *_: steps))
        self.gate_down, self.gate_up = self.weight("gate_down"), self.weight("gate_up")

    def _log_decay(self, x: Hidden) -> Array:
        low_rank = project(project(x, self.decay_down), self.decay_up)
        step = jax.nn.softplus(low_rank.astype(jnp.float32) + self.dt_bias)
        rate = jnp.exp(self.a_log.astype(jnp.float32))[:, None]
        return -rate * step.reshape(*x.shape[:2], self.spec.heads, -1)

    def _gate(self, x: Hidden) -> Channels:
        return jax.nn.sigmoid(project(project(x, self.gate_down), self.gate_up))
