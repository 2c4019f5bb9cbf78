"""Quality by hand."""

from dataclasses import astuple
from pathlib import Path

import pytest

from archsearch.campaign.events import JobRecord, SessionBegan
from archsearch.campaign.file import load_campaign
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.standing import Standing
from archsearch.executors import Failure
from support import campaigns
from support.event_cases import candidate_record, trial_done

GAIN = Objective("parameters", "max")
TASK_NAMES = ("text", "in-context-recall")


@pytest.fixture
def file(tmp_path, text):
    return campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))


def standing_of(file: Path, scores: dict[str, tuple[float, float] | None]) -> Standing:
    """A run with two rungs of candidates' scores (text, recall); None: it failed at rung 1."""
    ledger = Ledger(load_campaign(file))
    ledger.apply(SessionBegan(executor="local", began=1.0, workers=1, reference_point={"quality": -5.0}))
    for name, values in scores.items():
        ledger.apply(candidate_record(name, name in ledger.campaign.references))
        for rung in (0, 1):
            failed = values is None and rung == 1
            trials = [
                # the second rate is worse, its score must not count
                trial_done(
                    f"{name}/{rung}/{task}/{rate}", task, score + 10 * rung if rate == 1 else 99.0, loss
                )
                for task, score in zip(TASK_NAMES, values or (1.0, 1.0), strict=True)
                for rate, loss in ((1, 2.0), (2, 3.0))
            ]
            ledger.apply(
                JobRecord(
                    candidate=f"f-{name}",
                    proxy=name,
                    rung=rung,
                    seconds=1.0,
                    startup_seconds=0.0,
                    failure=Failure("error", "it broke") if failed else None,
                    asked=tuple(trial.key for trial in trials),
                    trials=() if failed else tuple(trials),
                )
            )
    return Standing(ledger, (GAIN,))


def test_quality_is_the_weighted_distance_from_the_references(file):
    standing = standing_of(file, {"transformer++": (-3.0, 0.2), "lfm2": (-5.0, 0.202), "x": (-2.0, 0.8)})
    # text: mean -4, deviation 1; recall: mean 0.201, deviation 0.001, which is below its resolution
    scale = standing.scale(0)
    assert scale is not None
    assert astuple(scale["text"]) == pytest.approx((-4.0, 1.0))
    assert astuple(scale["in-context-recall"]) == pytest.approx((0.201, 0.01))
    by_hand = (2 * (-2.0 + 4.0) / 1.0 + 1 * (0.8 - 0.201) / 0.01) / 3
    assert standing.quality("x", 0) == pytest.approx(by_hand)
    # the second rung has its own scale: all scores moved by ten, so quality is the same
    assert standing.scores("x", 1) == pytest.approx({"text": 8.0, "in-context-recall": 10.8})
    assert standing.quality("x", 1) == pytest.approx(by_hand)


def test_a_failed_reference_is_left_out_of_the_scale(file):
    standing = standing_of(file, {"transformer++": (-3.0, 0.2), "lfm2": None, "x": (-2.0, 0.8)})
    scale = standing.scale(1)
    assert scale is not None
    assert astuple(scale["text"]) == pytest.approx((7.0, 0.01))
    assert astuple(scale["in-context-recall"]) == pytest.approx((10.2, 0.01))
    assert standing.failure("lfm2", 1) == "error: it broke"
    assert standing.scores("lfm2", 1) is None
    by_hand = (2 * 1.0 / 0.01 + (0.8 - 0.2) / 0.01) / 3
    assert standing.quality("x", 1) == pytest.approx(by_hand)


def test_quality_waits_for_every_reference(file):
    standing = standing_of(file, {"transformer++": (-3.0, 0.2), "x": (-2.0, 0.8)})
    assert standing.scale(0) is None
    assert standing.quality("x", 0) is None
