"""Finished trials that several files continue, read or damage a copy of."""

from pathlib import Path

import pytest

from proxies.training.trials import run_trial
from proxies.trial import TrialResult
from support.trial_cases import HYBRID, config


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished trial of 40 steps, 32 of them before its decay."""
    directory = tmp_path_factory.mktemp("short")
    assert run_trial(HYBRID, config(), 3, directory).status == "ok"
    return directory


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialResult, Path]:
    """The same with 60 steps, from scratch."""
    directory = tmp_path_factory.mktemp("long")
    return run_trial(HYBRID, config(60), 3, directory), directory
