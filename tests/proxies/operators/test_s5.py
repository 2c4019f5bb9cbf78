"""S5: the continuous system, each pair held at its own step."""

import jax
import numpy as np

from genomes import S5
from proxies.kernels.diagonal_ssm import (
    as_real,
)
from proxies.operators import module_class
from support.continuous_systems import dense, step_of

BATCH, CHANNELS, PAIRS, STATES = 2, 3, 4, 5


def test_s5_is_the_continuous_system() -> None:
    """Its states, each pair held at its own step, in float64."""
    tokens, module = 20, module_class(S5)(S5(state_dim=2 * PAIRS), CHANNELS)
    x = jax.random.normal(jax.random.key(1), (1, tokens, CHANNELS))
    parameters = module.init(jax.random.key(0), x)
    found, p = as_real(module.apply(parameters, x, method="features")["h"][0]), parameters["params"]
    for pair in range(PAIRS):
        both = [pair, PAIRS + pair]
        decay, b = step_of(dense(p, pair), np.float64(p["b"][:, both].T), np.exp(p["log_dt"][pair]))
        h = np.zeros(2)
        for t in range(tokens):
            h = decay @ h + b @ np.float64(x[0, t])
            np.testing.assert_allclose(found[t, both], h, rtol=1e-4, atol=1e-6)
