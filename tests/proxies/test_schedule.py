"""The learning rate: warm-up, constant, decay, and the same beginning for longer trainings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.schedule import Schedule

schedules = st.builds(
    Schedule,
    steps=st.integers(2, 400),
    warmup_steps=st.integers(0, 50),
    decay_fraction=st.floats(0.01, 0.99),
).filter(lambda s: s.decay_start < s.steps)


@given(schedules)
def test_the_rate_warms_up_stays_and_decays(schedule: Schedule) -> None:
    factors = schedule.factors(0, schedule.steps)
    assert factors.dtype == np.float32 and len(factors) == schedule.steps
    assert (factors > 0).all() and (factors <= 1).all()
    before, decay = np.split(factors, [schedule.decay_start])
    warm, constant = np.split(before, [schedule.warmup_steps])
    assert (np.diff(warm) > 0).all() and (constant == 1).all()
    if schedule.decay_start >= schedule.warmup_steps:
        assert (np.diff(decay) < 0).all() and decay[0] < 1
        assert decay[-1] == pytest.approx(1 / (len(decay) + 1), rel=1e-5)


@given(schedules, st.integers(0, 400))
def test_a_longer_training_begins_like_a_shorter_one(schedule: Schedule, more: int) -> None:
    longer = Schedule(schedule.steps + more, schedule.warmup_steps, schedule.decay_fraction)
    assert longer.decay_start >= schedule.decay_start
    start = schedule.decay_start
    np.testing.assert_array_equal(longer.factors(0, start), schedule.factors(0, start))
