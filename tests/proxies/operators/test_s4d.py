"""S4D: the continuous system, from dense matrix exponentials."""

import jax
import jax.numpy as jnp
import numpy as np

from genomes import S4D
from proxies.kernels.diagonal_ssm import (
    as_complex,
    ssm_kernel,
)
from proxies.operators import module_class
from support.continuous_systems import dense, step_of

BATCH, CHANNELS, PAIRS, STATES = 2, 3, 4, 5


def test_s4d_is_the_continuous_system() -> None:
    """Its kernel from dense matrix exponentials, a channel at a time in float64."""
    tokens, module = 40, module_class(S4D)(S4D(state_dim=2 * PAIRS), CHANNELS)
    x = jnp.zeros((1, 1, CHANNELS))
    parameters = module.init(jax.random.key(0), x)
    found, p = module.apply(parameters, x, method="features"), parameters["params"]
    kernel = ssm_kernel(found["log_decay"], 2 * as_complex(p["c"]) * found["b"], tokens)
    for channel in range(CHANNELS):
        ones = np.concatenate([np.ones((PAIRS, 1)), np.zeros((PAIRS, 1))])
        decay, h = step_of(dense(p, channel), ones, np.exp(p["log_dt"][channel]))
        c = np.float64(p["c"][channel])
        read, expected = 2 * np.concatenate([c[:PAIRS], -c[PAIRS:]]), []
        for _ in range(tokens):
            expected.append(read @ h[:, 0])
            h = decay @ h
        np.testing.assert_allclose(kernel[:, channel], expected, rtol=1e-4, atol=1e-5)
