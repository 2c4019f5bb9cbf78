"""How much of a campaign is still to do."""

import math

import pytest

from archsearch.campaign.events import FinalistsChosen
from archsearch.campaign.forecast import expected_jobs, seconds_left, share_done
from archsearch.campaign.ledger import Ledger
from support import campaigns


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    """The memory of a campaign of 2 references, 3 candidates and 2 more, and a third of these at rung 1."""
    return Ledger(campaigns.load(tmp_path, campaigns.tiny(campaigns.text_folder(tmp_path / "text"))))


def test_a_share_of_each_generation_reaches_the_next_rung(ledger) -> None:
    assert expected_jobs(ledger) == [2 + 3 + 2, 2 + 1 + 1]


def test_the_share_done_grows_to_one_and_no_further(ledger) -> None:
    shares = []
    for rung, jobs in enumerate(expected_jobs(ledger)):
        for _ in range(jobs):
            shares.append(share_done(ledger))
            ledger.jobs.add(1.0)
            ledger.jobs_by_rung[rung].add(1.0)
    assert shares == pytest.approx([number / 11 for number in range(11)])
    ledger.jobs.add(1.0)
    assert share_done(ledger) == 1.0
    ledger.finalists = FinalistsChosen(candidates=(), measurements=12, unmeasured={})
    assert share_done(ledger) == pytest.approx(12 / 23)


def test_the_time_left_is_guessed_from_the_first_rung_until_a_later_one_is_known(ledger) -> None:
    assert seconds_left(ledger, 1) is None
    for seconds in (1.0, 3.0):
        ledger.jobs_by_rung[0].add(seconds)
    guess = 2.0 * (10 - 5) / 5  # as many steps further, at one learning rate of one
    assert seconds_left(ledger, 2) == pytest.approx((5 * 2.0 + 4 * guess) / 2)
    ledger.jobs_by_rung[1].add(7.0)
    assert seconds_left(ledger, 2) == pytest.approx((5 * 2.0 + 3 * 7.0) / 2)
    assert math.isfinite(seconds_left(ledger, 1) or math.nan)
