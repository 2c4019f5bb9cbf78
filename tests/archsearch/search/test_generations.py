"""What a campaign says of its search space, what becomes of the children, and old runs read as before."""

import math
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
from archsearch.campaign.sections import ObjectiveSection
from archsearch.campaign.standing import Standing
from archsearch.campaign.status import status
from archsearch.reporting.page import headline
from archsearch.search.algorithm import Judged, make_algorithm
from archsearch.search.generations import Loop
from genomes import InvalidInput, accounting, parse_genome, parse_layout, random_genome
from hardware_profiles import device
from support import GOLDEN, campaigns, report_cases
from support.made_up_training import MadeUpExecutor, search

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


@pytest.mark.parametrize("text", ["8e6", "8000000", "8.0e+6"])
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
        ("many", ["space.parameters", "valid integer"]),
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


# Rungs


@pytest.fixture
def rising(file) -> Campaign:
    """A campaign of one task and one objective with three rungs."""
    overrides = [
        "tasks=[{task: in-context-recall, vocab_size: 16}]",
        "budget.rungs=[5, 10, 20]",
        "budget.promote=0.5",
        "search={population: 8, generations: 3, elites: 2}",
        "objectives=[{metric: quality}]",
    ]
    return load_campaign(file, overrides)


def test_promotion_goes_by_the_rung_below_alone(rising, tmp_path) -> None:
    """Whatever candidates are worth at other rungs, the best of those that stand one below go on."""
    promoted: list[tuple[int, int]] = []

    def watch(loop: Loop) -> None:
        promote, evaluate = loop._promote, loop._evaluate
        sent: list[list[str]] = []

        def noting(records, rung, references) -> None:
            sent.append([record.fingerprint for record in records])
            evaluate(records, rung, references)

        def checking(pool, new, rung) -> None:
            below = [j.id for j in pool if loop._reached[j.id] == rung - 1 and j.id not in loop._failed]
            worth = {each: loop.standing.values(loop.ledger.candidates[each], rung - 1) for each in below}
            promote(pool, new, rung)
            chosen = set(sent[-1])
            assert chosen <= set(below)
            assert len(chosen) == min(len(below), math.ceil(0.5**rung * new))
            assert all(worth[one] >= worth[other] for one in chosen for other in set(below) - chosen)
            promoted.append((rung, len(chosen)))

        loop._promote, loop._evaluate = checking, noting

    run = search(tmp_path / "run", rising, MadeUpExecutor(1), watch)
    assert promoted == [(1, 4), (2, 2), (1, 3), (2, 2), (1, 3), (2, 2)]
    assert {c.rung for c in run.results().candidates if c.origin == "searched"} == {0, 1, 2}


def test_algorithms_are_told_the_rung_that_values_are_of(rising, tmp_path) -> None:
    judged: list[Judged] = []

    def watch(loop: Loop) -> None:
        again = loop._judged_again

        def noting(each: Judged) -> Judged:
            judged.append(again(each))
            assert judged[-1].values == loop.standing.values(loop.ledger.candidates[each.id], judged[-1].rung)
            return judged[-1]

        loop._judged_again = noting

    search(tmp_path / "run", rising, MadeUpExecutor(2), watch)
    assert {each.rung for each in judged} == {0, 1, 2}


def test_the_final_training_is_of_the_front_and_the_references(rising, tmp_path) -> None:
    run = search(tmp_path / "run", rising, MadeUpExecutor(3))
    final = [job for job in campaigns.events(tmp_path / "run", "job") if job["rung"] == 3]
    references = {record.fingerprint for record in run.ledger.references()}
    assert {job["candidate"] for job in final} == references | {r.fingerprint for r in run.standing.front}
    for job in final:
        trials = [run.ledger.trials[key] for key in job["asked"]]
        assert [trial.replicate for trial in trials] == [0]
        assert [trial.result.steps for trial in trials] == [20]


def test_where_no_candidate_reaches_the_last_rung_nothing_is_trained_at_the_end(rising, tmp_path) -> None:
    bound = {"metric": "parameters", "at_most": 1.0, "direction": "min"}
    objectives = [ObjectiveSection(metric="quality"), ObjectiveSection.model_validate(bound)]
    campaign = rising.model_copy(update={"objectives": objectives})
    run = search(tmp_path / "run", campaign)
    assert run.standing.counts["rejected"] > 0
    jobs = campaigns.events(tmp_path / "run", "job")
    assert {job["rung"] for job in jobs} == {0, 1, 2}
    assert {job["candidate"] for job in jobs} == {record.fingerprint for record in run.ledger.references()}
