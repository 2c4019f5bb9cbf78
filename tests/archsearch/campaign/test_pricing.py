"""What a campaign's objectives cost an architecture, and which bounds reject it."""

import numpy as np
import pytest

from archsearch.campaign.file import load_campaign
from archsearch.campaign.objectives import Objective
from archsearch.campaign.pricing import Pricing, workload
from genomes import InvalidInput, Scale, random_genome, reference
from hardware_profiles import Device, device, predict
from support import campaigns


@pytest.fixture
def file(tmp_path):
    return campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(campaigns.text_folder(tmp_path / "text")))


def pricing_of(campaign) -> Pricing:
    devices: dict[str, Device] = {o.device: device(o.device) for o in campaign.objectives if o.device}
    return Pricing.of(campaign, devices)


def test_bounds_reject_by_name_and_value(file):
    campaign = load_campaign(file, ["objectives.3.at_most=200000", "objectives.3.at_least=170000"])
    pricing = pricing_of(campaign)

    def rejection(name: str) -> str | None:
        return pricing.rejection(pricing.costs(reference(name).layout(3).at(campaign.target)))

    assert rejection("lfm2") == "parameters = 224096 is above at_most = 200000"
    assert rejection("transformer++") == "parameters = 166336 is below at_least = 170000"


def test_each_objective_has_the_price_that_a_prediction_says(file):
    """Every objective asks for its one figure; a prediction has them all."""
    fields = [{"metric": "quality"}, {"metric": "parameters"}, {"metric": "state_bytes", "context": 64}]
    fields += [{"metric": f"{phase}_flops_per_token", "context": 64} for phase in ("prefill", "decode")]
    fields += [
        {"metric": metric, "device": name, "context": 64, "batch": 2}
        for metric in ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
        for name in ("raspberry-pi-5", "l4")
    ]
    campaign = load_campaign(file, [f"objectives={fields}"])
    pricing, space = pricing_of(campaign), campaign.search_space
    rng = np.random.default_rng(0)
    for _ in range(5):
        architecture = space.decode(random_genome(space, rng)).at(campaign.target)
        costs = pricing.costs(architecture)
        assert list(costs) == [o.name for o in pricing.objectives if o.metric != "quality"]
        for o in pricing.objectives[1:]:
            at = device(o.device or "l4")
            figure = getattr(predict(architecture, at, workload(o)), o.metric)
            assert costs[o.name] == figure or costs[o.name].value == figure


def test_quality_has_no_price():
    pricing = Pricing((Objective("quality", "max"),), {})
    architecture = reference("lfm2").layout(4).at(Scale(width=64, head_dim=16))
    assert pricing.costs(architecture) == {}
    with pytest.raises(InvalidInput, match="training tells it"):
        pricing._cost(pricing.objectives[0], architecture)
