"""Trials planned before it is known which rates go on, and those taken."""

from pathlib import Path

import pytest

from archsearch.campaign.choices import asked, best, close_ones
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.ledger import TrialRecord
from support import campaigns
from support.made_up_training import MadeUpExecutor, search

RATES = [1e-3, 1.0000001e-3, 2e-3, 4e-3]
"""Two agree in six digits."""


@pytest.fixture
def campaign(tmp_path) -> Campaign:
    data = campaigns.tiny(campaigns.text_folder(tmp_path / "text"))
    data["tasks"] = data["tasks"][1:]
    data["budget"] |= {"rungs": [80, 160], "learning_rates": RATES, "seeds": 2, "final_seeds": 3}
    return load_campaign(campaigns.write(tmp_path / "campaign.yaml", data))


def jobs(path: Path, run, rung: int) -> list[list[TrialRecord]]:
    return [
        [run.ledger.trials[key] for key in job["asked"]]
        for job in campaigns.events(path, "job")
        if job["rung"] == rung
    ]


def test_losers_are_stopped_early_and_further_replicates_take_the_chosen_rate(campaign, tmp_path) -> None:
    path = tmp_path / "run"
    run = search(path, campaign, MadeUpExecutor(4))
    references = {record.fingerprint for record in run.ledger.references()}
    assert jobs(path, run, 0)
    for trials in jobs(path, run, 0):
        first = [trial for trial in trials if trial.replicate == 0]
        steps = [trial.result.steps for trial in first]
        assert steps[:6] == [20, 20, 20, 20, 40, 40] and set(steps[6:]) == {80} and len(steps) <= 8
        rate = best(first).result.learning_rate
        others = [trial for trial in trials if trial.replicate]
        assert {(trial.result.learning_rate, trial.result.steps) for trial in others} == {(rate, 80)}
        count = 3 if trials[0].candidate in references else 2
        assert [trial.replicate for trial in others] == list(range(1, count))
    assert len({trial.directory for trials in jobs(path, run, 0) for trial in trials}) == sum(
        map(len, jobs(path, run, 0))
    ), "rates that agree in six digits have folders of their own"


def test_each_trial_goes_on_from_the_shorter_one_of_its_rate(campaign, tmp_path) -> None:
    continued: dict[str, str | None] = {}

    class Noting(MadeUpExecutor):
        def _result(self, known, trial):
            continued[Path(trial["directory"]).name] = (
                trial["resume_from"] and Path(trial["resume_from"]).name
            )
            return super()._result(known, trial)

    run = search(tmp_path / "run", campaign, Noting(4))
    by_name = {Path(trial.directory).name: trial for trial in run.ledger.trials.values()}
    for name, shorter in continued.items():
        trial = by_name[name]
        if shorter is None:
            assert trial.result.steps == 20 or trial.replicate or trial.rung == 2
            continue
        before = by_name[shorter]
        same = [(t.task, t.replicate, t.result.learning_rate, t.result.seed) for t in (trial, before)]
        assert same[0] == same[1]
        assert before.result.steps < trial.result.steps
    assert all(continued[name] is not None for name, t in by_name.items() if t.rung == 1 and not t.replicate)
    assert all(continued[name] is None for name, t in by_name.items() if t.rung == 2)


def test_the_next_rung_takes_over_close_rates(campaign, tmp_path) -> None:
    path = tmp_path / "run"
    run = search(path, campaign, MadeUpExecutor(4))
    numbers = set()
    for trials in jobs(path, run, 1):
        proxy = run.ledger.candidates[trials[0].candidate].proxy
        (name,) = campaign.task_names
        going = [each.result.learning_rate for each in close_ones(asked(run.ledger, proxy, 0)[name, 0])]
        assert [trial.result.learning_rate for trial in trials if trial.replicate == 0] == going
        numbers.add(len(going))
    assert 1 in numbers


def test_a_campaign_has_its_data_and_each_candidate_its_weights(campaign, tmp_path) -> None:
    run = search(tmp_path / "run", campaign, MadeUpExecutor(4))
    trials = list(run.ledger.trials.values())
    places = {(t.rung == 2, t.replicate): t.result.config["data_seed"] for t in trials}
    assert all(t.result.config["data_seed"] == places[t.rung == 2, t.replicate] for t in trials)
    assert len(set(places.values())) == len(places) == 3 + 3
    seeds = {(t.candidate, t.rung == 2, t.replicate): t.result.seed for t in trials}
    assert all(t.result.seed == seeds[t.candidate, t.rung == 2, t.replicate] for t in trials)
    assert len(set(seeds.values())) == len(seeds)


def test_another_campaign_seed_has_other_data(campaign) -> None:
    other = campaign.model_copy(update={"seed": campaign.seed + 1})
    assert campaign.data_seed(0, 0) == campaign.data_seed(1, 0) != other.data_seed(0, 0)
    assert campaign.data_seed(0, 0) != campaign.data_seed(0, 1)
