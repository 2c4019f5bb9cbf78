"""What a trial is asked: checked, and with seeds that never change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.trial import TrialConfig, TrialResult, derive_seed
from support.trial_cases import config


def test_a_schedule_without_decay_is_refused() -> None:
    with pytest.raises(ValueError, match="rounds to no step"):
        config(2, decay_fraction=0.1)


@given(st.integers(0, 2**63), st.text("0123456789abcdef", max_size=16), st.integers(0, 100))
def test_seeds_are_fit_for_jax_and_derive_from_everything(
    campaign: int, fingerprint: str, replicate: int
) -> None:
    seed = derive_seed(campaign, fingerprint, replicate)
    assert seed == derive_seed(campaign, fingerprint, replicate)
    assert 0 <= seed < 2**31
    others = {
        derive_seed(campaign + 1, fingerprint, replicate),
        derive_seed(campaign, fingerprint + "0", replicate),
        derive_seed(campaign, fingerprint, replicate + 1),
    }
    assert len(others | {seed}) == 4


def test_seeds_never_change() -> None:
    """A resumed run of an older version finds its trials by these."""
    assert [derive_seed(0, "0123456789abcdef", r) for r in range(2)] == [1482290033, 17413789]


def test_results_of_older_versions_are_read() -> None:
    """They have another metric, and know of no baseline."""
    older = {
        "status": "ok",
        "cause": None,
        "task": "text",
        "metric": "bits_per_byte",
        "steps": 40,
        "learning_rate": 1e-3,
        "config": {"task": "text", "steps": 40, "learning_rate": 1e-3},
        "seed": 3,
        "fingerprint": "0" * 16,
        "data_hash": "0" * 16,
        "loss": 2.0,
        "score": -2.9,
    }
    result = TrialResult.from_dict(older)
    assert (result.metric, result.score) == ("bits_per_byte", -2.9)
    assert result.baseline is result.baseline_loss is result.validation_score is result.bits_per_byte is None
    assert TrialConfig.model_validate(older["config"]).data_seed == 0
