"""The files of a trial: complete, and strict JSON."""

import csv
import json
from pathlib import Path

import numpy as np

from proxies.trial import TrialResult
from support.trial_cases import config


def test_the_files_of_a_trial(short: Path) -> None:
    assert {file.name for file in short.iterdir()} == {"curve.csv", "log.txt", "result.json", "checkpoint"}
    with (short / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(40))
    rates = 5e-3 * config().schedule.factors(0, 40)
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows], rates, rtol=1e-6)
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    result = TrialResult(**json.loads((short / "result.json").read_text()))
    assert result.status == "ok" and result.cause is None
    assert result.config == config().model_dump()
    assert set(result.seconds) == {"training", "compilation", "evaluation", "other"}
    lines = (short / "log.txt").read_text().splitlines()
    assert "40 steps" in lines[0] and "on the test stream" in lines[-1]
