"""What every search algorithm must do, whatever its idea: one suite over all of them.

First alone, on made-up values; then in the campaign's loop, on made-up training.
"""

import copy
import hashlib
import pickle
import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from archsearch.campaign.file import load_campaign
from archsearch.campaign.objectives import Objective
from archsearch.campaign.sections import ALGORITHMS, SearchSection
from archsearch.search.algorithm import Judged, make_algorithm
from genomes import PRESETS, preset, random_genome
from support import campaigns
from support.made_up_training import MadeUpExecutor, search

OBJECTIVES = (Objective("quality", "max"), Objective("parameters", "min"))
SPACE = preset("hybrid").with_blocks(8, 3)

pytestmark = pytest.mark.parametrize("name", ALGORITHMS)


def made(name, space=SPACE, objectives=OBJECTIVES, **settings):
    section = SearchSection(algorithm=name, **{"population": 6, "generations": 2} | settings)
    return make_algorithm(section, space, objectives)


def judged(genome, values=None):
    digest = hashlib.sha256(repr(genome).encode()).digest()
    return Judged(digest.hex()[:16], genome, values or (digest[0] / 256, float(digest[1])))


def drawn(count, space=SPACE, seed=0):
    """Judged candidates with random genomes."""
    rng = np.random.default_rng(seed)
    return [judged(random_genome(space, rng)) for _ in range(count)]


def asked(algorithm, state, count=20, seed=0):
    return list(islice(algorithm.ask(state, np.random.default_rng(seed)), count))


def generations(algorithm, seed=0, count=4):
    """The states of a search in which each child is judged, and what was asked on the way."""
    state = algorithm.start()
    for generation in range(count):
        genomes = asked(algorithm, state, 6, seed + generation)
        state = algorithm.tell(state, [judged(genome) for genome, _ in genomes])
        yield state, genomes


# Genomes


@pytest.mark.parametrize("space", PRESETS)
def test_all_genomes_are_legal(name, space):
    space = preset(space)
    space = space.with_blocks(space.blocks, max(1, space.blocks // 2)) if space.name == "hybrid" else space
    algorithm = made(name, space, structural=0.5, mutation=0.3)
    state = algorithm.start()
    for _ in range(2):
        genomes = asked(algorithm, state)
        for genome, redrawn in genomes:
            assert space.decode(genome)
            assert all(genes > 0 for genes in redrawn.values())
        state = algorithm.tell(state, [judged(genome) for genome, _ in genomes])


def test_parents_of_unequal_lengths_have_legal_children(name):
    algorithm = made(name)
    short, long = (drawn(4, SPACE.with_blocks(blocks, blocks)) for blocks in (3, 8))
    state = algorithm.tell(algorithm.start(), [*short, *long])
    lengths = {len(SPACE.decode(genome)) for genome, _ in asked(algorithm, state, 60)}
    assert len(lengths) > 1


def test_the_first_state_asks_for_random_genomes(name):
    algorithm = made(name)
    genomes = asked(algorithm, algorithm.start(), 40)
    assert len({genome for genome, _ in genomes}) > 30
    assert all(not redrawn for _, redrawn in genomes)
    assert not algorithm.parents(algorithm.start())


# The same again


def test_all_randomness_is_the_generators(name):
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002  (that it does not matter is the question)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = list(generations(made(name)))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    random.seed(6)
    np.random.seed(6)  # noqa: NPY002
    assert list(generations(made(name))) == first
    assert list(generations(made(name), seed=100)) != first


def test_the_state_is_a_plain_value_and_asking_leaves_it_alone(name):
    algorithm = made(name)
    for state, _ in generations(algorithm):
        before = copy.deepcopy(state)
        genomes = asked(algorithm, state)
        assert state == before, "parents are untouched"
        again = pickle.loads(pickle.dumps(state))
        assert again == state and asked(algorithm, again) == genomes


def test_telling_changes_neither_the_state_nor_what_is_told(name):
    algorithm = made(name)
    state = algorithm.tell(algorithm.start(), drawn(6))
    news = drawn(6, seed=1)
    before = copy.deepcopy((state, news))
    algorithm.tell(state, news)
    assert (state, news) == before


# Parents


def test_parents_were_judged(name):
    algorithm = made(name)
    known = set()
    for state, genomes in generations(algorithm):
        known |= {judged(genome).id for genome, _ in genomes}
        parents = algorithm.parents(state)
        assert parents and {parent.id for parent in parents} <= known
        assert len({parent.id for parent in parents}) == len(parents)


def test_what_is_told_nothing_of_is_forgotten(name):
    """Most candidates fail or are rejected: nothing is told of them, and they never become parents."""
    algorithm = made(name)
    state, told = algorithm.start(), set()
    for generation in range(4):
        (first, _), *_ = asked(algorithm, state, 6, generation)
        state = algorithm.tell(state, [judged(first)])
        told.add(judged(first).id)
        assert {parent.id for parent in algorithm.parents(state)} <= told
    assert algorithm.parents(algorithm.tell(state, [])), "a generation without anyone left"


@pytest.mark.parametrize("count", [1, 2])
def test_few_survivors_go_on(name, count):
    algorithm = made(name)
    state = algorithm.tell(algorithm.start(), drawn(count))
    assert len(algorithm.parents(state)) == count
    genomes = asked(algorithm, state, 40)
    assert len({genome for genome, _ in genomes}) > 1, "and find something new"


def test_a_parent_told_again_has_its_new_values(name):
    algorithm = made(name)
    state = algorithm.tell(algorithm.start(), drawn(4))
    again = [replace(parent, values=(9.0, 9.0)) for parent in algorithm.parents(state)]
    state = algorithm.tell(state, again)
    assert {parent.values for parent in algorithm.parents(state)} == {(9.0, 9.0)}


@pytest.mark.parametrize("count", [0, 1, 7])
def test_ties_lose_nobody(name, count):
    algorithm = made(name)
    tied = [replace(each, values=(1.0, 1.0)) for each in drawn(count)]
    assert sorted(each.id for each in algorithm.ranked(tied)) == sorted(each.id for each in tied)
    state = algorithm.tell(algorithm.start(), tied)
    assert len(asked(algorithm, state)) == 20


def test_whoever_is_best_at_all_is_ranked_first(name):
    best = replace(drawn(1, seed=9)[0], values=(9.0, -1.0))
    assert made(name).ranked([*drawn(5), best])[0] == best


# In a campaign


@pytest.fixture
def campaign(name, tmp_path):
    def load(*overrides):
        data = campaigns.tiny(campaigns.text_folder(tmp_path / "text"))
        data["tasks"] = data["tasks"][1:]
        data["search"] = {"algorithm": name, "population": 6, "generations": 4, "elites": 2}
        data["space"] = {"preset": "hybrid", "blocks": 5, "min_blocks": 3}
        file = campaigns.write(tmp_path / "campaign.yaml", data)
        return load_campaign(file, overrides or ["objectives.3.at_most=1e9"])

    return load


def told_of(loop, told):
    """Make a loop's algorithm note down what it is told."""
    algorithm = loop.algorithm

    class Noting:
        def __getattr__(self, attribute):
            return getattr(algorithm, attribute)

        def tell(self, state, judged):
            told.append(list(judged))
            return algorithm.tell(state, judged)

    loop.algorithm = Noting()


def test_a_campaign_gives_the_same_in_whatever_order_jobs_end(name, campaign, tmp_path):
    del name
    outcomes = []
    for seed in range(2):
        search(tmp_path / str(seed), campaign(), MadeUpExecutor(seed, failing=0.2))
        outcomes.append(campaigns.outcome(tmp_path / str(seed)))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]["candidates"]) == campaigns.REFERENCES + 6 + 3 * 4
    assert max(candidate[2] for candidate in outcomes[0]["candidates"].values()) == 3


def test_rejected_and_failed_candidates_never_become_parents(name, campaign, tmp_path):
    del name
    told = []
    run = search(
        tmp_path / "run",
        campaign("objectives.3.at_most=175000"),
        MadeUpExecutor(failing=0.3),
        lambda loop: told_of(loop, told),
    )
    results = run.results()
    statuses = {c.fingerprint: c.status for c in results.candidates}
    assert {"rejected", "failed", "evaluated"} == set(statuses.values())
    candidates = {c.fingerprint: c for c in results.candidates}
    told_ids = {each.id for generation in told for each in generation}
    assert len(told) == 4 and told_ids
    for fingerprint in told_ids:
        assert candidates[fingerprint].status != "rejected" and candidates[fingerprint].rung >= 0
    assert all(np.isfinite(each.values).all() for generation in told for each in generation)


def test_an_exhausted_space_ends_the_search(name, campaign, tmp_path, monkeypatch):
    """The few layouts of a tiny space are judged, none of them twice, and then it is over."""
    del name
    monkeypatch.setattr("archsearch.search.generations.ATTEMPTS_PER_CANDIDATE", 20)
    small = "space={preset: null, classes: {mixer: [attention, short_conv(3)], mlp: [swiglu(2)]}, blocks: 2}"
    run = search(tmp_path / "run", campaign(small, "search.generations=6"))
    searched = [c for c in run.results().candidates if c.origin == "searched"]
    assert 2 <= len(searched) <= 9
    assert len({c.pattern for c in searched}) == len(searched)
    assert run.ledger.offspring.made > len(searched)
