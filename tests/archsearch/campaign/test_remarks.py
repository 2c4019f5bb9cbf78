"""What is said at the end of a run. Remarks of edges are in `test_choices.py`, beside what they count."""

from dataclasses import replace

import pytest

from archsearch.campaign.remarks import NothingFoundError, commonest, refuse_nothing
from support import report_cases


def test_causes_that_differ_in_their_numbers_count_as_one() -> None:
    dear = [f"parameters = {value} is above at_most = 1000" for value in ("1.2e+06", "190000", "5")]
    causes = [
        *dear[:2],
        "text: the loss became nan at step 12",
        dear[2],
        "text: the loss became nan at step 7",
    ]
    assert commonest(causes) == [(dear[0], 3), (causes[2], 2)]
    assert commonest([]) == []


def test_a_run_that_found_something_is_a_success() -> None:
    refuse_nothing(report_cases.build())


def test_a_run_without_a_searched_candidate_at_the_last_rung_is_none() -> None:
    results = report_cases.build()
    last = len(results.rungs) - 1
    kept = tuple(c for c in results.candidates if c.origin == "reference" or c.rung < last)
    searched = [c for c in kept if c.origin == "searched"]
    rejected = sum(c.status == "rejected" for c in searched)
    failed = sum(c.status == "failed" for c in searched)
    assert rejected and failed and len(searched) > rejected + failed
    with pytest.raises(NothingFoundError) as caught:
        refuse_nothing(replace(results, candidates=kept))
    message = str(caught.value)
    assert f"of {len(searched)}, bounds rejected {rejected}, {failed} failed" in message
    assert f"{rejected} times: peak_memory_bytes" in message
    assert "loosen" in message
    with pytest.raises(NothingFoundError, match="of 0, bounds rejected 0"):
        refuse_nothing(replace(results, candidates=tuple(c for c in kept if c.origin == "reference")))
