"""Drift: it lasts, and a disturbed reading does not."""

import pytest

from hardware_profiles.timing.drift import drifts


def test_drift_lasts_and_a_disturbed_reading_does_not() -> None:
    readings = [{"prefill": 1.0, "decode": 2.0} for _ in range(20)]
    readings += [{"prefill": 1.5, "decode": 2.0 * 1.1} for _ in range(20)]
    readings[5] = {"prefill": 9.0, "decode": 9.0}
    paces = drifts(readings, {"prefill": 1.0, "decode": 2.0})
    assert len(paces) == 40
    assert all(pace == {"prefill": 1.0, "decode": 1.0} for pace in paces[:16])
    assert all(pace == pytest.approx({"prefill": 1.5, "decode": 1.1}) for pace in paces[24:])
    assert drifts([{"prefill": 2.0, "decode": 2.0}], {"prefill": 1.0, "decode": 2.0})[0]["prefill"] == 2.0
