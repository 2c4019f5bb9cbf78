"""One conformance suite over everything that draws genomes, then what each of them promises."""

import json
import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import (
    PRESETS,
    Alternate,
    Count,
    Genome,
    InvalidInput,
    Positions,
    SearchSpace,
    block_class,
    crossover,
    delete,
    duplicate,
    genome_text,
    homologous,
    insert,
    mutate,
    parse_genome,
    preset,
    random_genome,
    repair,
    restructure,
    swap,
)
from support.genome_strategies import genomes_of
from support.variation_cases import (
    DRAWS,
    FEED_FORWARD,
    HYBRID,
    MIXERS,
    SHARED,
    SPACES,
    Draw,
    crossed,
    every_draw,
    every_seed,
    every_space,
    parents,
    switches,
    units,
)

# Conformance


@every_space
@every_draw
def test_children_are_legal_after_repair(draw: Draw, space: SearchSpace) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for child in draw(space, *parents(space, seed), rng):
            mended = repair(child, space, rng).genome
            layout = space.decode(mended)
            assert space.decode(space.encode(layout)) == layout
            assert type(mended) is tuple and all(type(gene) is int for gene in (*child, *mended))
            assert tuple(json.loads(json.dumps(mended))) == mended


@every_space
@every_draw
def test_the_same_generator_state_gives_the_same_child(draw: Draw, space: SearchSpace) -> None:
    for seed in range(5):
        one, two = np.random.default_rng(seed), np.random.default_rng(seed)
        assert draw(space, *parents(space, seed), one) == draw(space, *parents(space, seed), two)
        assert one.bit_generator.state == two.bit_generator.state


@settings(deadline=None)
@given(
    st.sampled_from(list(SPACES.values())).flatmap(lambda s: st.tuples(st.just(s), genomes_of(s, beyond=2))),
    st.integers(0, 2**32),
)
def test_any_genome_is_repaired(case: tuple[SearchSpace, Genome], seed: int) -> None:
    space, genome = case
    mended = repair(genome, space, np.random.default_rng(seed))
    assert mended == repair(genome, space, np.random.default_rng(seed))
    layout = space.decode(mended.genome)
    assert not mended.redrawn or mended.genome != genome or "rule" in mended.redrawn
    assert set(mended.redrawn) <= {"range", "length", "sharing", "rule"}
    assert all(genes > 0 for genes in mended.redrawn.values())
    assert space.decode(space.encode(layout)) == layout


@pytest.mark.parametrize("name", PRESETS)
def test_some_children_are_legal_before_repair(name: str, record_property: Callable) -> None:
    """The share that is not is worth knowing: `pytest --junit-xml` holds it."""
    space, rng, invalid, made = preset(name), np.random.default_rng(0), 0, 0
    population = [random_genome(space, rng) for _ in range(8)]
    while made < 100:
        first, second = (population[int(i)] for i in rng.integers(len(population), size=2))
        for child in crossed(2)(space, first, second, rng):
            changed = restructure(mutate(child, space, 0.1, rng), space, 0.1, rng)
            invalid += bool(repair(changed, space, rng).redrawn)
            made += 1
    record_property("invalid_before_repair", invalid / made)
    assert invalid < made


@every_space
@every_draw
def test_nothing_but_the_given_generator_is_drawn_from(draw: Draw, space: SearchSpace) -> None:
    def world() -> tuple[object, ...]:
        return repr(space), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

    a, b = parents(space, 0)
    kept, before = (list(a), list(b)), world()
    draw(space, a, b, np.random.default_rng(0))
    assert (list(a), list(b)) == kept
    assert world() == before


@every_draw
def test_seeds_matter(draw: Draw) -> None:
    """Over many generators some children differ, unless the rate is 0."""
    lengths = draw in (DRAWS["homologous-1"], DRAWS["homologous-2"])
    space = HYBRID.with_blocks(24, 16) if lengths else HYBRID
    a, b = parents(space, 1)
    children = {draw(space, a, b, np.random.default_rng(seed)) for seed in range(50)}
    silent = draw in [DRAWS[name] for name in ("mutate-0", "crossover-0", "crossover-99", "repair")]
    assert (len(children) == 1) == silent


# Random genomes


def test_classes_are_drawn_by_weight_and_variants_evenly() -> None:
    space = SearchSpace("weighed", "", (MIXERS[0], FEED_FORWARD, MIXERS[1]), 4000)
    drawn = units(random_genome(space, np.random.default_rng(0)))
    classes = Counter(letter for letter, _ in drawn)
    for letter, share in ((1, 1 / 5), (2, 3 / 5), (3, 1 / 5)):
        assert abs(classes[letter] / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5
    variants = Counter(number for letter, number in drawn if letter == 2)
    assert set(variants) == set(range(1, 13))
    assert max(variants.values()) < 2 * min(variants.values())


def test_a_class_of_weight_zero_is_never_drawn() -> None:
    space = SearchSpace("shut", "", (MIXERS[0], block_class("skip", "skip", weight=0)), 50)
    rng = np.random.default_rng(0)
    genome = random_genome(space, rng)
    assert set(mutate(genome, space, 1.0, rng)) == {1}
    assert space.decode((2,) * 50)


# Mutation


@every_seed
@every_space
def test_rate_0_changes_nothing_and_rate_1_redraws_all(space: SearchSpace, seed: int) -> None:
    genome, _ = parents(space, seed)
    assert mutate(genome, space, 0.0, np.random.default_rng(seed)) == genome
    children = [mutate(genome, space, 1.0, np.random.default_rng([seed, n])) for n in range(60)]
    if space.size == 1:
        assert set(children) == {genome}
        return
    for block in range(len(space.units(genome))):
        assert len({space.units(child)[block] for child in children}) > 1
    for gene, (_, dtypes) in enumerate(space.stored.genes):
        assert {space.tail(child)[gene] for child in children} == set(range(1, len(dtypes) + 1))


def test_rate_is_the_share_of_classes_redrawn() -> None:
    space = SearchSpace("even", "", tuple(MIXERS), 4000)
    rng = np.random.default_rng(0)
    genome = random_genome(space, rng)
    for rate in (0.1, 0.5):
        child = mutate(genome, space, rate, rng)
        changed = sum(a != b for a, b in zip(genome, child, strict=True)) / 4000
        expected = rate * (1 - 1 / len(MIXERS))
        assert abs(changed - expected) < 4 * (expected * (1 - expected) / 4000) ** 0.5


def test_a_variant_mutates_within_its_class() -> None:
    space = SearchSpace("variants", "", (FEED_FORWARD, block_class("skip", "skip", weight=0)), 2000)
    genome = (1, 1) * 2000
    child = mutate(genome, space, 0.2, np.random.default_rng(0))
    changed = sum(number != 1 for _, number in units(child)) / 2000
    expected = (1 - 0.8**2) * 11 / 12  # redrawn with its class, or alone
    assert abs(changed - expected) < 4 * (expected * (1 - expected) / 2000) ** 0.5


@every_space
def test_mutation_takes_genomes_that_are_out_of_range(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    child = mutate((0,) * (space.genes_per_block * space.blocks + space.stored_genes), space, 0.5, rng)
    assert space.decode(repair(child, space, rng).genome)


# Crossover


@every_seed
@every_space
@pytest.mark.parametrize("points", [0, 1, 2, 3, 99])
def test_children_take_each_block_from_a_parent_at_its_place(space, points: int, seed: int) -> None:
    space = space.with_blocks(space.blocks, space.blocks)
    first, second = parents(space, seed)
    one, two = crossover(first, second, space, points, np.random.default_rng(seed))
    for a, b, c, d in zip(*map(space.units, (first, second, one, two)), strict=True):
        assert (c, d) in ((a, b), (b, a))


@every_seed
@pytest.mark.parametrize("points", [0, 1, 2, 3, 5, 6, 99])
def test_switch_points(points: int, seed: int) -> None:
    first, second = (1, 1) * 6, (2, 2) * 6
    one, two = crossover(first, second, SPACES["two-digits"], points, np.random.default_rng(seed))
    assert switches(one, first, second) == switches(two, second, first) == min(points, 5)
    assert units(one)[0] == (1, 1)
    assert units(two)[0] == (2, 2)


def test_every_place_is_cut_at() -> None:
    first, second = (1, 1) * 6, (2, 2) * 6
    rng = np.random.default_rng(0)
    places = Counter(
        crossover(first, second, SPACES["two-digits"], 1, rng)[0].count(1) // 2 for _ in range(1000)
    )
    assert set(places) == {1, 2, 3, 4, 5}
    assert min(places.values()) > 130


def test_parents_that_agree_have_children_like_them() -> None:
    genome, _ = parents(HYBRID, 0)
    assert crossover(genome, genome, HYBRID, 2, np.random.default_rng(0)) == (genome, genome)


def test_parents_of_other_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match="parents of 4 and 6 genes"):
        crossover((1, 1) * 2, (1, 1) * 3, HYBRID, 1, np.random.default_rng(0))


def test_homologous_parents_are_cut_where_their_classes_align() -> None:
    space = SearchSpace("free", "", (*MIXERS[:4], FEED_FORWARD), 12, 2)
    first, second = parse_genome("11-21-31-41-51"), parse_genome("21-52-41-57-59")
    # Classes 1 2 3 4 5 and 2 5 4 5 5: the longest they have in common is 2 4 5.
    children = {homologous(first, second, space, 1, np.random.default_rng(seed)) for seed in range(50)}
    texts = {genome_text(child, 2) for pair in children for child in pair}
    assert texts == {
        *("11-21-52-41-57-59", "21-31-41-51"),  # cut before 2
        *("11-21-31-41-57-59", "21-52-41-51"),  # before 4, and before 5
    }


@every_seed
@every_space
@pytest.mark.parametrize("points", [0, 1, 2, 3, 99])
def test_homologous_children_keep_all_blocks_and_legal_lengths(space, points: int, seed: int) -> None:
    first, second = parents(space, seed)
    one, two = homologous(first, second, space, points, np.random.default_rng(seed))
    blocks = [space.units(genome) for genome in (first, second, one, two)]
    assert Counter(blocks[0] + blocks[1]) == Counter(blocks[2] + blocks[3])
    assert all(space.fewest <= len(found) <= space.blocks for found in blocks)


def test_parents_without_a_common_class_have_children_like_them() -> None:
    space = SearchSpace("free", "", tuple(MIXERS), 12, 2)
    first, second = (1, 2, 3), (4, 5, 6, 7)
    assert homologous(first, second, space, 2, np.random.default_rng(0)) == (first, second)


def test_cuts_that_would_make_a_child_too_long_are_not_made() -> None:
    space = SearchSpace("tight", "", tuple(MIXERS), 5, 4)
    first, second = (1, 2, 3, 4), (2, 5, 6, 3, 4)  # before 2: children of 6 and 3 blocks
    found = {homologous(first, second, space, 1, np.random.default_rng(seed)) for seed in range(40)}
    assert found == {(first, second)}


# Structure


@every_seed
@every_space
def test_structural_mutations_change_what_they_say(space: SearchSpace, seed: int) -> None:
    genome, _ = parents(space, seed)
    blocks, rng = space.units(genome), np.random.default_rng(seed)
    assert Counter(space.units(swap(genome, space, rng))) == Counter(blocks)
    more = space.units(insert(genome, space, rng))
    assert len(more) == len(blocks) + 1
    assert not Counter(blocks) - Counter(more)
    fewer = space.units(delete(genome, space, rng))
    assert len(fewer) == len(blocks) - 1
    assert not Counter(fewer) - Counter(blocks)
    twice = space.units(duplicate(genome, space, rng))
    extra = len(twice) - len(blocks)
    assert 1 <= extra <= max(1, space.blocks - len(blocks))
    ends = range(extra, len(blocks) + 1)
    assert twice in [blocks[:end] + blocks[end - extra : end] + blocks[end:] for end in ends]


@every_space
def test_restructuring_keeps_legal_lengths_at_its_rate(space: SearchSpace) -> None:
    genome, _ = parents(space, 0)
    assert restructure(genome, space, 0.0, np.random.default_rng(0)) == genome
    children = [restructure(genome, space, 0.5, np.random.default_rng(seed)) for seed in range(200)]
    lengths = {len(space.units(child)) for child in children}
    assert lengths <= set(range(space.fewest, space.blocks + 1))
    assert (len(lengths) > 1) == (space.fewest < space.blocks)
    if len(set(space.units(genome))) == len(space.units(genome)) > 1:
        assert 60 <= sum(child != genome for child in children) <= 140


# Repair


@every_seed
@every_space
def test_a_legal_genome_is_left_alone_and_nothing_is_drawn(space: SearchSpace, seed: int) -> None:
    genome, _ = parents(space, seed)
    rng = np.random.default_rng(seed)
    before = rng.bit_generator.state
    assert repair(genome, space, rng) == (genome, {})
    assert rng.bit_generator.state == before


@every_seed
@pytest.mark.parametrize(
    ("genome", "redrawn", "touched"),
    [
        ((12, 13, *(1, 1) * 5), 1, {1}),
        ((12, 0, *(1, 1) * 5), 1, {1}),
        ((13, 1, *(1, 1) * 5), 2, {0, 1}),
        ((0, 1, *(1, 1) * 5), 2, {0, 1}),
        ((-1, 1, *(1, 1) * 5), 2, {0, 1}),
        ((1, 1, 12, 99, *(1, 1) * 3, 14, 14), 3, {3, 10, 11}),
        ((0, 0) * 6, 12, set(range(12))),
    ],
)
def test_repair_draws_no_more_than_is_broken(genome: Genome, redrawn: int, touched: set, seed: int) -> None:
    space = SPACES["two-digits"]
    mended = repair(genome, space, np.random.default_rng(seed))
    assert space.decode(mended.genome)
    assert mended.redrawn == {"range": redrawn}
    assert {i for i, (a, b) in enumerate(zip(genome, mended.genome, strict=True)) if a != b} <= touched


@pytest.mark.parametrize(("genome", "genes"), [((1, 99), {1}), ((99, 1), {0, 1})], ids=["variant", "class"])
def test_what_is_drawn_anew_may_be_anything_legal(genome: Genome, genes: set) -> None:
    space, rng = SPACES["one-block"], np.random.default_rng(0)
    mended = {repair(genome, space, rng).genome for _ in range(500)}
    legal = {(1, number) for number in range(1, 13)} | {(2, 1)}
    assert mended == {unit for unit in legal if 0 in genes or unit[0] == 1}


@every_seed
def test_repair_meets_rules_and_counts_what_it_drew(seed: int) -> None:
    space, genome = SPACES["ruled"], (1, 1) * 6
    mended = repair(genome, space, np.random.default_rng(seed))
    changed = sum(a != b for a, b in zip(units(genome), units(mended.genome), strict=True))
    assert space.decode(mended.genome)
    assert changed in (2, 3)
    assert mended.redrawn == {"rule": 2 * changed}


@every_seed
def test_sharing_is_mended_by_the_genes_for_it_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    genome = parse_genome("111214-211214-311211-421224-511111-121213")
    mended = repair(genome, SHARED, rng)
    assert [unit[:2] for unit in SHARED.units(mended.genome)] == [unit[:2] for unit in SHARED.units(genome)]
    assert set(mended.redrawn) == {"sharing"}
    assert mended.redrawn["sharing"] >= 2
    assert SHARED.units(mended.genome)[0] == SHARED.units(genome)[0]


@every_seed
@pytest.mark.parametrize(("blocks", "genes"), [(0, 8), (2, 4), (12, 4), (20, 20)])
def test_blocks_are_added_or_cut_until_there_is_room(blocks: int, genes: int, seed: int) -> None:
    space = SearchSpace("free", "", (*MIXERS, FEED_FORWARD), 10, 4)
    genome = (1, 1) * blocks
    mended = repair(genome, space, np.random.default_rng(seed))
    assert mended.redrawn == {"length": genes}
    assert len(mended.genome) == max(8, min(20, len(genome)))


def test_uniform_settings_are_mended_within_their_class() -> None:
    space = SPACES["strict"]
    genome = parse_genome("11-31-12-32-12-31-21-31")
    for seed in range(20):
        mended = space.units(repair(genome, space, np.random.default_rng(seed)).genome)
        assert [letter for letter, _ in mended] == [letter for letter, _ in units(genome)]
        assert [number for letter, number in mended if letter == 1] == [2, 2, 2]


@pytest.mark.parametrize(
    "rules",
    [
        (Count(("attention",), at_least=1),),
        (Count(("convolution",), at_least=4), Count(("memoryless",), at_least=3)),
        (Count(("convolution", "memoryless"), at_most=5),),
        (Alternate(), Positions((0,), ("memoryless",))),
    ],
    ids=["no-such-class", "more-than-blocks", "too-few", "contradiction"],
)
def test_rules_that_cannot_be_met_are_refused(rules: tuple) -> None:
    space = SearchSpace("stuck", "", (FEED_FORWARD, MIXERS[0]), 6, rules=rules)
    rng = np.random.default_rng(0)
    for call in (lambda: random_genome(space, rng), lambda: repair((1, 1) * 6, space, rng)):
        with pytest.raises(InvalidInput, match=r"space stuck: no genome of 6 blocks .* loosen"):
            call()


@pytest.mark.parametrize("genome", [(1,), (1, 1, 1)], ids=len)
def test_genomes_with_half_a_block_are_refused(genome: Genome) -> None:
    with pytest.raises(InvalidInput, match=f"has 16 integers .* found {len(genome)}"):
        repair(genome, HYBRID, np.random.default_rng(0))
