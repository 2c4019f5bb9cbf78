"""How a layout becomes a candidate: once, and with what it is afterwards known by."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from archsearch.campaign.file import Campaign
from archsearch.campaign.pricing import Pricing
from archsearch.search.admission import propose
from genomes import InvalidInput, Layout, accounting, load_architecture, parse_layout, random_genome
from support import campaigns
from support.made_up_training import search


@pytest.fixture
def campaign(tmp_path):
    data = campaigns.tiny(campaigns.text_folder(tmp_path / "text"))
    data["tasks"] = data["tasks"][1:]
    return campaigns.load(tmp_path, data)


def test_a_proposal_is_the_layout_at_both_scales(campaign):
    layout = campaign.reference("lfm2")
    proposal = propose(layout, campaign, name="lfm2")
    assert (proposal.proxy, proposal.target) == (layout.at(campaign.proxy), layout.at(campaign.target))
    again = propose(layout, campaign)
    assert again.fingerprint == proposal.fingerprint and len(proposal.fingerprint) == 16
    stored = replace(layout, weights="int8")
    assert propose(stored, campaign).fingerprint != proposal.fingerprint


def test_two_names_of_one_function_are_one_candidate(campaign):
    one, other = (propose(parse_layout(f"{op}(3) swiglu(4)"), campaign) for op in ("hyena_y", "short_conv"))
    assert one.fingerprint == other.fingerprint
    assert (one.proxy.blocks, one.target.blocks) == (other.proxy.blocks, other.target.blocks)
    assert (one.proxy.name, other.proxy.name) == ("hyena_y(3) swiglu(4)", "short_conv(3) swiglu(4)")


def test_a_layout_that_a_scale_cannot_hold_is_no_proposal(campaign):
    with pytest.raises(InvalidInput, match="attention"):
        propose(parse_layout("attention(kv=1/8) swiglu(4) swiglu(4)"), campaign)


def test_each_candidate_is_sized_and_priced_once(campaign, tmp_path, monkeypatch):
    """Sized at each scale, priced by each objective that has a price. Seed 6 repeats no layout."""
    counts = Counter()
    sizing, pricing = Layout.at, Pricing._cost

    def sized(layout, scale, name=""):
        counts["sized", str(layout), scale.width] += 1
        return sizing(layout, scale, name)

    def priced(self, objective, architecture):
        counts["priced", architecture.name, objective.name] += 1
        return pricing(self, objective, architecture)

    monkeypatch.setattr(Layout, "at", sized)
    monkeypatch.setattr(Pricing, "_cost", priced)
    run = search(tmp_path / "run", campaign.model_copy(update={"seed": 6}))
    searched = [c for c in run.ledger.candidates.values() if c.origin == "searched"]
    assert len(searched) >= 5
    for record in searched:
        assert {counts["sized", record.pattern, s.width] for s in (campaign.proxy, campaign.target)} == {1}
        prices = [counts["priced", record.pattern, o.name] for o in run.pricing.objectives]
        assert prices == [int(o.metric != "quality") for o in run.pricing.objectives]


def test_the_record_says_what_the_architectures_are(campaign, tmp_path):
    run = search(tmp_path / "run", campaign)
    for record in run.ledger.candidates.values():
        folder = run.directory.candidate(record.fingerprint)
        proxy, target = (load_architecture(folder / name) for name in ("arch.json", "target.arch.json"))
        assert proxy.fingerprint == record.proxy and proxy.name == record.pattern
        assert record.costs == run.pricing.costs(target)
        sizes = {"proxy": accounting.parameters(proxy), "target": accounting.parameters(target)}
        assert record.parameters == sizes
        assert propose(parse_layout(record.pattern), campaign).fingerprint == record.fingerprint


def test_references_are_admitted_whatever_their_price(campaign, tmp_path):
    data = campaign.model_dump(mode="json")
    data["objectives"][3]["at_most"] = 170_000
    run = search(tmp_path / "run", Campaign.model_validate(data))
    references = [c for c in run.ledger.candidates.values() if c.origin == "reference"]
    assert any(c.parameters["target"] > 170_000 for c in references)
    assert all(c.rejected is None for c in references)
    rejected = [c for c in run.ledger.candidates.values() if c.rejected]
    assert all("parameters" in str(c.rejected) for c in rejected)


def test_sizing_gives_the_same_whatever_was_sized_before(campaign):
    """Blocks that were sized are kept; what is made of them does not depend on that."""
    space, rng = campaign.search_space, np.random.default_rng(0)
    layouts = [space.decode(random_genome(space, rng)) for _ in range(20)]
    first = [propose(layout, campaign) for layout in layouts]
    second = [propose(parse_layout(str(layout)), campaign) for layout in reversed(layouts)]
    assert [p.target.to_json() for p in first] == [p.target.to_json() for p in reversed(second)]
    assert [p.fingerprint for p in first] == [p.fingerprint for p in reversed(second)]
