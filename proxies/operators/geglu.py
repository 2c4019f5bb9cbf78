"""GeGLU feed-forward; see `genomes.operators.geglu`."""

import jax
import jax.numpy as jnp

from proxies.axes import Array
from proxies.operators.gated_feed_forward import GatedFeedForward


def naive_gelu(z: Array) -> Array:
    """The tanh form of GELU written out."""
    return z / 2 * (1 + jnp.tanh((2 / jnp.pi) ** 0.5 * (z + 0.044715 * z**3)))


class GeGLU(GatedFeedForward):
    """Gated by GELU in its tanh form."""

    activation = staticmethod(jax.nn.gelu)
    naive_activation = staticmethod(naive_gelu)
