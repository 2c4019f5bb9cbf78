"""What a run shows, from its ledger."""

from dataclasses import replace

from archsearch.campaign.events import JobRecord
from archsearch.campaign.file import load_campaign
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.summary import worker_time
from support import GOLDEN
from support.event_cases import trial_done


def test_seconds_of_a_phase_that_nobody_knows_count_as_other() -> None:
    ledger = Ledger(load_campaign(GOLDEN / "campaign-v1.yaml"))
    trial = trial_done("a", "text", 0.5, 1.0)
    trial = replace(trial, result=replace(trial.result, seconds={"training": 2.0, "napping": 3.0}))
    ledger.apply(
        JobRecord(
            candidate="f-a",
            proxy="a",
            rung=0,
            seconds=5.0,
            startup_seconds=0.0,
            failure=None,
            asked=("a",),
            trials=(trial,),
        )
    )
    seconds = worker_time(ledger)
    assert list(seconds) == ["training", "compilation", "evaluation", "other", "start-up", "idle"]
    assert (seconds["training"], seconds["other"]) == (2.0, 3.0)
