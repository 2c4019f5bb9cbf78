"""SwiGLU feed-forward; see `genomes.operators.swiglu`."""

import jax
import jax.numpy as jnp

from proxies.operators.gated_feed_forward import GatedFeedForward


class SwiGLU(GatedFeedForward):
    """Gated by SiLU."""

    activation = staticmethod(jax.nn.silu)
    naive_activation = staticmethod(lambda z: z / (1 + jnp.exp(-z)))
