"""Energy: measured power times latency, and the power of a profile."""

import pytest

from hardware_profiles import Power
from hardware_profiles.energy import joules, power_figure


def test_energy_is_power_times_time() -> None:
    assert joules(300.25, 0.004) == pytest.approx(1.201)
    assert joules(None, 0.004) is None


def test_the_power_of_a_profile_is_that_of_decoding() -> None:
    drawn = [{"prefill": 320.0, "decode": 180.0}, {"prefill": 350.0, "decode": 200.0}, {"decode": 210.0}]
    figure = power_figure([*drawn, {"prefill": None, "decode": None}, {}])
    assert isinstance(figure, Power)
    assert (figure.low, figure.value, figure.high) == (180.0, 200.0, 350.0)
    assert figure.source.startswith("measured: NVML, mean while decoding")
    assert power_figure([{"prefill": 320.0, "decode": None}, {}]) is None
