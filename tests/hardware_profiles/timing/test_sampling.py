"""Sampling: it stops when times have settled, and in any case."""

import numpy as np
import pytest

from hardware_profiles.timing import sampling
from hardware_profiles.timing.sampling import sample, variation


def test_sampling_stops_when_settled_and_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(sampling, "perf_counter", lambda: 0.001 * next(clock))
    calls: list[int] = []
    assert len(sample(lambda: calls.append(1), warm_up=8, fewest=64)) < 500
    assert len(calls) >= 8 + 64

    monkeypatch.setattr(sampling, "perf_counter", lambda: 60.0 * next(clock))
    assert len(sample(lambda: None, warm_up=8, fewest=64)) == 1


def test_variation_sees_drift_and_not_jitter() -> None:
    rng = np.random.default_rng(0)
    jitter = 1 + 0.2 * rng.random(2000)
    assert variation(list(jitter)) < 0.02
    assert variation(list(jitter + np.linspace(0, 1, 2000))) > 0.1
    assert variation([1.0]) == 0
