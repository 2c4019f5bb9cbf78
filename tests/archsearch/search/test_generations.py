"""What a campaign says of its search space, what becomes of the children, and old runs read as before."""

from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from archsearch.campaign.directory import RunDirectory
from archsearch.campaign.events import GenerationDone, SessionBegan
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.journal import Journal, read_journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.results import Offspring
from archsearch.campaign.standing import Standing
from archsearch.campaign.status import status
from archsearch.reporting.page import headline
from archsearch.search.algorithm import Judged, make_algorithm
from archsearch.search.generations import Loop
from genomes import InvalidInput, accounting, parse_genome, parse_layout, random_genome
from hardware_profiles import device
from support import GOLDEN, campaigns, report_cases

WIDE = "{width: 512, head_dim: 64, blocks: 6, vocab_size: 512}"
GAIN, COST = Objective("parameters", "max"), Objective("state_bytes", "min")


@pytest.fixture
def file(tmp_path):
    text = campaigns.text_folder(tmp_path / "text")
    return campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))


def bred(campaign: Campaign, seed: int = 0):
    """Children of random parents, without end."""
    space, rng = campaign.search_space, np.random.default_rng(seed)
    algorithm = make_algorithm(campaign.search, space, (GAIN, COST))
    parents = [Judged(str(i), random_genome(space, rng), (float(i), float(i))) for i in range(8)]
    return algorithm.ask(algorithm.tell(algorithm.start(), parents), rng)


@pytest.fixture
def loop_of(tmp_path):
    """A loop of a campaign that trains nothing."""
    with ExitStack() as stack:

        def make(campaign: Campaign) -> Loop:
            devices = {o.device: device(o.device) for o in campaign.objectives if o.device}
            directory = RunDirectory(tmp_path / "run")
            directory.create(campaign, devices)
            journal = stack.enter_context(Journal(directory.journal))
            evaluator = SimpleNamespace(proxies={}, cached=0)
            pricing = Pricing.of(campaign, devices)
            standing = Standing(Ledger(campaign), pricing.objectives)
            return Loop(directory, standing, journal, pricing, evaluator)

        yield make


# Old runs


def test_a_run_of_the_first_version_reads() -> None:
    ledger = Ledger(load_campaign(GOLDEN / "campaign-v1.yaml"))
    events, damages = read_journal(GOLDEN / "journal-v1.jsonl")
    assert not damages
    for event in events:
        ledger.apply(event)
    assert ledger.finished
    assert ledger.offspring == Offspring(redrawn={"unknown": 6})
    assert ledger.offspring.invalid_share == 0
    (searched,) = (c for c in ledger.candidates.values() if c.origin == "searched")
    assert searched.genome is not None
    assert len(parse_genome(searched.genome)) == 16
    assert Standing(ledger, ()).scores(searched.proxy, 0)


def test_offspring_reads_back_from_the_journal(file, tmp_path) -> None:
    offspring = Offspring(made=12, invalid=5, unfit=1, redrawn={"length": 4, "sharing": 2})
    ledger = Ledger(load_campaign(file))
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.write(GenerationDone(index=1, offspring=offspring, cached=3))
    (event,), _ = read_journal(tmp_path / "journal.jsonl")
    ledger.apply(event)
    assert (ledger.offspring, ledger.cached) == (offspring, 3)
    assert offspring.invalid_share == pytest.approx(5 / 12)


# Children


def test_children_are_counted_by_what_became_of_them(file, loop_of) -> None:
    campaign = load_campaign(file, ["space={preset: hybrid, blocks: 6, min_blocks: 3}"])
    loop = loop_of(campaign)
    drawn = list(islice(bred(campaign), 40))
    loop._fill(iter(drawn), 40, generation=0)
    assert loop.offspring == Offspring()
    loop._fill(iter(drawn), 40, generation=1)
    found = loop.offspring
    assert (found.made, found.unfit) == (40, 0)
    assert found.invalid == sum(bool(redrawn) for _, redrawn in drawn)
    assert found.redrawn == {
        cause: sum(redrawn.get(cause, 0) for _, redrawn in drawn)
        for cause in ("range", "length", "sharing", "rule")
        if any(cause in redrawn for _, redrawn in drawn)
    }


def test_children_that_cannot_have_the_budget_are_left_out(file, loop_of) -> None:
    fitting, unfit = (
        parse_layout(f"{mixer} {mixer} swiglu(2)")
        for mixer in ("attention(kv=1/4,qk_norm=yes)", "mamba2(state=2)")
    )
    campaign = load_campaign(file, [f"target={WIDE}", "objectives.3.at_most=1e9"])
    budget = accounting.parameters(fitting.at(campaign.target))
    space = campaign.space.model_copy(update={"parameters": budget})
    loop = loop_of(campaign.model_copy(update={"space": space}))
    genomes = [(loop.campaign.search_space.encode(layout), {}) for layout in (unfit, fitting)]
    (record,) = loop._fill(iter(genomes), 2, generation=1)
    assert record.pattern == str(fitting)
    assert loop.offspring == Offspring(made=2, unfit=1)


# Campaign keys


def test_numbers_of_blocks(file) -> None:
    def lengths(text: str) -> tuple[int, int]:
        space = load_campaign(file, [f"space={text}"]).search_space
        return space.fewest, space.blocks

    assert lengths("{}") == (8, 8)
    assert lengths("{blocks: 12}") == (12, 12)
    assert lengths("{min_blocks: 3}") == (3, 8)
    assert lengths("{blocks: 12, min_blocks: 12}") == (12, 12)
    with pytest.raises(InvalidInput, match="space: space hybrid: min_blocks = 9; legal: 1 to blocks = 8"):
        load_campaign(file, ["space={min_blocks: 9}"]).check()
    with pytest.raises(InvalidInput, match="space: space hybrid: no genome of 2 blocks that meets its rules"):
        load_campaign(file, ["space={min_blocks: 2}"]).check()


@pytest.mark.parametrize("text", ["8e6", "8000000", "8.0e+6", "'8e6'"])
def test_a_budget_holds_for_candidates_and_references(file, text: str) -> None:
    campaign = load_campaign(file, [f"space.parameters={text}", f"target={WIDE}"])
    campaign.check()
    assert campaign.space.parameters == 8_000_000
    for name in campaign.references:
        found = accounting.parameters(campaign.reference(name).at(campaign.target))
        assert abs(found - 8_000_000) <= 80_000
    resolved = Campaign.model_validate(campaign.model_dump(mode="json"))
    assert resolved == campaign


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("many", ["space.parameters", "could not convert"]),
        ("1.5", ["space.parameters", "integer"]),
        ("0", ["space.parameters", "1"]),
        ("[1]", ["space.parameters", "integer"]),
        ("1e12", ["space.parameters: ", "1,000,000,000,000 parameters", "the largest"]),
        ("1000", ["space.parameters: ", "the smallest"]),
    ],
)
def test_a_budget_out_of_reach_is_refused(file, text: str, said: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_campaign(file, [f"space.parameters={text}"]).check()
    assert all(fragment in str(caught.value) for fragment in said), str(caught.value)


def test_structural_mutation_is_on_by_default(file) -> None:
    assert load_campaign(file).search.structural == 0.1
    with pytest.raises(InvalidInput, match=r"search.structural = 1.5"):
        load_campaign(file, ["search.structural=1.5"])


# What people see


def test_status_and_report_say_what_was_repaired(file, loop_of) -> None:
    loop = loop_of(load_campaign(file))
    offspring = Offspring(made=8, invalid=2, unfit=1, redrawn={"sharing": 4, "rule": 6})
    point = dict.fromkeys((o.name for o in loop.pricing.objectives), 0.0)
    loop.journal.write(SessionBegan(executor="local", began=0.0, workers=1, reference_point=point))
    loop.journal.write(GenerationDone(index=1, offspring=offspring, cached=0))
    assert status(loop.directory.path)["offspring"] == asdict(offspring) | {"invalid_share": 0.25}
    tiles = {label: (value, note) for value, label, note in headline(report_cases.build(3))}
    assert tiles["offspring"] == (
        "50",
        "12% invalid before repair; genes redrawn: 4 for sharing, 19 for rule",
    )
