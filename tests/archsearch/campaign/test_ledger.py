"""What a ledger remembers of the processes that carried a run on, and of their measurements."""

from dataclasses import replace

import pytest

from archsearch.campaign.events import (
    FinalistsChosen,
    JobRecord,
    MeasurementRecord,
    RunFinished,
    RunStopped,
    SessionBegan,
    UnknownEvent,
)
from archsearch.campaign.ledger import Ledger, Presence
from archsearch.campaign.results import Summary
from support import campaigns
from support.event_cases import trial_done


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    """An empty one."""
    return Ledger(campaigns.load(tmp_path, campaigns.tiny(campaigns.text_folder(tmp_path / "text"))))


def began(at: float, workers: int) -> SessionBegan:
    """A session that needed a second for its workers."""
    return SessionBegan(at=at, executor="local", workers=workers, began=at - 1.0, reference_point={})


def measurement(at: float, failure: str | None = None) -> MeasurementRecord:
    """A finalist, measured or not."""
    figures = None if failure else {"peak_memory_bytes": {"p10": 1.0, "median": 2, "p90": 3.0}}
    return MeasurementRecord(
        at=at,
        candidate="f",
        device="d",
        way="command",
        context=1,
        batch=1,
        dtype="float32",
        objectives=("peak_memory_bytes[d,1,1,float32]",),
        figures=figures,
        stable=True,
        seconds=2.0,
        failure=failure,
    )


def test_sessions_last_from_their_beginning_to_their_last_event(ledger) -> None:
    for event in (began(11.0, 2), RunStopped(at=15.0, reason=""), began(101.0, 4), UnknownEvent(at=103.0)):
        ledger.apply(event)
    assert ledger.sessions == [Presence(10.0, 15.0, 2, 15.0), Presence(100.0, 103.0, 4, 103.0)]
    assert ledger.wall_seconds() == 5.0 + 3.0
    assert ledger.worker_seconds() == 2 * 5.0 + 4 * 3.0
    assert ledger.last_session is not None
    assert ledger.last_session.workers == 4


def test_workers_are_gone_when_finalists_are_measured(ledger) -> None:
    chosen = FinalistsChosen(at=21.0, candidates=("f",), measurements=2, unmeasured={})
    for event in (began(11.0, 2), UnknownEvent(at=20.0), chosen, measurement(30.0), RunFinished(at=31.0)):
        ledger.apply(event)
    assert ledger.sessions == [Presence(10.0, 31.0, 2, 20.0)]
    assert ledger.finished
    # A resumed run has workers again until it measures.
    ledger.apply(began(101.0, 1))
    ledger.apply(UnknownEvent(at=105.0))
    assert ledger.worker_seconds() == 2 * 10.0 + 5.0


def test_a_clock_that_was_put_back_takes_no_time_away(ledger) -> None:
    for event in (began(11.0, 1), UnknownEvent(at=15.0), UnknownEvent(at=12.0)):
        ledger.apply(event)
    assert ledger.wall_seconds() == 5.0


def test_measurements_are_kept_by_candidate_and_objective(ledger) -> None:
    ledger.apply(measurement(1.0))
    ledger.apply(measurement(2.0, "it broke"))
    name = "peak_memory_bytes[d,1,1,float32]"
    assert ledger.measured == {"f": {name: Summary(2, 1.0, 3.0, None, True, None)}}
    assert ledger.measured_failures == {"f": {name: "it broke"}}
    assert (ledger.measurement_seconds, ledger.measurements_failed) == ([2.0, 2.0], 1)


def trained(version: str | None) -> JobRecord:
    """A job whose trial names a version of the training code, or none."""
    trial = trial_done("a", "text", 0.5, 1.0)
    versions = {} if version is None else {"training": version}
    trial = replace(trial, result=replace(trial.result, versions=versions))
    return JobRecord(
        candidate="f",
        proxy="p",
        rung=0,
        seconds=1.0,
        startup_seconds=0.0,
        failure=None,
        asked=("a",),
        trials=(trial,),
    )


def test_the_version_of_the_training_is_that_of_the_session_else_of_its_trials(ledger) -> None:
    assert ledger.training is None
    ledger.apply(began(11.0, 1))
    assert ledger.training == 1, "the oldest journals do not tell"
    ledger.apply(trained(None))
    assert ledger.training == 1
    ledger.apply(trained("2"))
    assert ledger.training == 2
    ledger.apply(replace(began(12.0, 1), training=3))
    assert ledger.training == 3


def test_a_journal_that_lost_its_sessions_is_known_by_its_trials(ledger) -> None:
    ledger.apply(trained("3"))
    assert ledger.training == 3
