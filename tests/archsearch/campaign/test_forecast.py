"""How much of a campaign is still to do."""

import pytest

from archsearch.campaign.events import FinalistsChosen
from archsearch.campaign.file import Campaign
from archsearch.campaign.forecast import expected_jobs, seconds_left, share_done, steps_of_jobs, trainings
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.standing import Standing
from support import campaigns


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    """A campaign of 3 references, 3 candidates and 2 more, and a third of these at rung 1."""
    return campaigns.load(tmp_path, campaigns.tiny(campaigns.text_folder(tmp_path / "text")))


@pytest.fixture
def standing(campaign) -> Standing:
    return Standing(Ledger(campaign), (Objective("quality", "max"),))


def test_a_share_of_each_generation_reaches_the_next_rung_and_the_references_the_end(standing) -> None:
    assert expected_jobs(standing) == [3 + 3 + 2, 3 + 1 + 1, 3]


def test_the_share_done_grows_to_one_and_no_further(standing) -> None:
    ledger, shares = standing.ledger, []
    for rung, jobs in enumerate(expected_jobs(standing)):
        for _ in range(jobs):
            shares.append(share_done(standing))
            ledger.jobs.add(1.0)
            ledger.jobs_by_rung[rung].add(1.0)
    assert shares == pytest.approx([number / 16 for number in range(16)])
    ledger.jobs.add(1.0)
    assert share_done(standing) == 1.0
    ledger.finalists = FinalistsChosen(candidates=(), measurements=12, unmeasured={})
    assert share_done(standing) == pytest.approx(17 / 28)


def test_the_time_left_is_guessed_by_the_steps_until_a_rung_is_known(standing) -> None:
    ledger = standing.ledger
    assert seconds_left(standing, 1) is None
    for seconds in (1.0, 3.0):
        ledger.jobs_by_rung[0].add(seconds)
    later = 2.0 * (10 - 4) / (2 * 5)  # one rate of two goes on from before the decay
    final = 2.0 * 10 / (2 * 5)
    assert seconds_left(standing, 2) == pytest.approx((6 * 2.0 + 5 * later + 3 * final) / 2)
    ledger.jobs_by_rung[1].add(7.0)
    assert seconds_left(standing, 2) == pytest.approx((6 * 2.0 + 4 * 7.0 + 3 * final) / 2)


def budget(campaign: Campaign, **changes: object) -> Campaign:
    return campaign.model_copy(update={"budget": campaign.budget.model_copy(update=changes)})


def test_steps_of_a_job_follow_the_stages(campaign) -> None:
    changed = budget(
        campaign, rungs=[80, 200], learning_rates=[1e-3, 2e-3, 4e-3, 8e-3], seeds=2, final_seeds=3
    )
    first = 4 * 20 + 2 * (40 - 16) + 1 * (80 - 32)  # each stage goes on where the decay before began
    assert steps_of_jobs(changed) == [first + 80, 2 * (200 - 64), 3 * 200]


def test_the_trainings_of_a_campaign_in_words(campaign) -> None:
    # 2 tasks; 5 candidates at 2 rates, 3 references with two replicates more; then one rate
    assert trainings(campaign) == (
        f"trainings: about {2 * (5 * 2 + 3 * 4)} of up to 5 steps, {2 * (2 * 1 + 3 * 3)} of up to 10 steps; "
        "after the search 6 of the references and 2 of each candidate on the front at 10 steps"
    )
    assert "after the search 30 of the references and 10" in trainings(budget(campaign, final_seeds=5))
