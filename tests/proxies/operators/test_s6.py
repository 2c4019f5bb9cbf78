"""State spaces start with the published decays and steps."""

import jax
import numpy as np
import pytest

from genomes import S4D, S5, S6
from proxies.operators import module_class


@pytest.mark.parametrize("width", [64, 1024])
def test_state_sizes_start_as_published(width: int) -> None:
    """S4D-Lin, S4D-Real and steps from 0.001 to 0.1, at any width."""
    keys = jax.random.key(0)
    specs = (S4D(), S5(state_dim=width), S6(inner=width, dt_rank=4))
    s4d, s5, s6 = (
        module_class(type(spec))(spec, width).init(keys, method="create")["params"] for spec in specs
    )
    for found in (s4d, s5):
        np.testing.assert_allclose(np.exp(found["log_a_real"]), 0.5, rtol=1e-6)
        steps = np.exp(found["log_dt"])
        assert steps.min() > 0.00099 and steps.max() < 0.1001
    np.testing.assert_allclose(s4d["a_imag"][-1], np.pi * np.arange(32), rtol=1e-6)
    np.testing.assert_allclose(s5["a_imag"][:32], np.pi * np.arange(32), rtol=1e-6)
    np.testing.assert_allclose(np.exp(s6["a_log"])[:, -1], np.arange(1, 17), rtol=1e-5)
    steps = jax.nn.softplus(s6["dt_bias"])
    np.testing.assert_allclose((steps.min(), steps.max()), (0.001, 0.1), rtol=1e-3)
