"""Where a run stands, as plain JSON."""

import json

import pytest

from archsearch.campaign.directory import load_run
from archsearch.campaign.status import status
from support import campaigns
from support.made_up_training import search


def test_status_says_what_quality_rests_on_and_what_winners_may_claim(tmp_path, text) -> None:
    campaign = campaigns.load(tmp_path, campaigns.tiny(text))
    search(tmp_path / "run", campaign)
    stands = json.loads(json.dumps(status(tmp_path / "run"), allow_nan=False))
    results = load_run(tmp_path / "run").results()
    assert stands["steps"] == campaign.budget.rungs[-1]
    assert [each["task"] for each in stands["tasks"]] == campaign.task_names
    for each, facts in zip(stands["tasks"], results.tasks, strict=True):
        assert (each["weight"], each["asked_weight"]) == (facts.weight, facts.asked_weight)
        assert each["scale"]["divisor"] == facts.scale.divisor > 0
        assert set(each["references"]) == set(campaign.references)
    assert sum(each["share"] for each in stands["tasks"]) == pytest.approx(1)
    assert list(stands["winners"]) == stands["front"] == list(results.front)
    for id, winner in stands["winners"].items():
        assert winner["quality"] == results.candidate(id).objectives["quality"]
        names = {name for name in campaign.references if results.candidate(name).id != id}
        assert set(winner["references"]) == names
        assert set(winner["references"].values()) <= {"dominates", "trades"}
    assert stands["remarks"] == list(results.remarks)
