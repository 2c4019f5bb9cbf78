"""One conformance suite over everything that draws genomes, then what each of them promises."""

import json
import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from genomes import (
    Genome,
    InvalidInput,
    Rule,
    SearchSpace,
    crossover,
    mutate,
    preset,
    random_genome,
    repair,
)
from genomes.space import block_class, units

HYBRID = preset("hybrid")
FEED_FORWARD = block_class("feed_forward", *(f"swiglu({n})" for n in range(1, 13)), weight=3)
MIXERS = [block_class(f"conv{n}", f"short_conv({n})") for n in range(2, 13)]

SPACES: dict[str, SearchSpace] = {
    "hybrid": HYBRID,
    "hybrid-3": HYBRID.with_blocks(3),
    "hybrid-24": HYBRID.with_blocks(24),
    "one-block": SearchSpace("one", "", (FEED_FORWARD, MIXERS[0]), 1),
    "one-genome": SearchSpace("single", "", (MIXERS[0],), 4),
    "two-digits": SearchSpace("wide", "", (*MIXERS, FEED_FORWARD), 6),
    "ruled": SearchSpace(
        "ruled",
        "",
        (FEED_FORWARD, *MIXERS),
        6,
        (Rule(("convolution",), at_least=2, at_most=3), Rule(("memoryless",), at_least=3)),
    ),
}

Draw = Callable[[SearchSpace, Genome, Genome, np.random.Generator], tuple[Genome, ...]]

DRAWS: dict[str, Draw] = {
    "random": lambda space, _a, _b, rng: (random_genome(space, rng),),
    "mutate-0": lambda space, a, _b, rng: (mutate(a, space, 0.0, rng),),
    "mutate-0.1": lambda space, a, _b, rng: (mutate(a, space, 0.1, rng),),
    "mutate-1": lambda space, a, _b, rng: (mutate(a, space, 1.0, rng),),
    "crossover-0": lambda _space, a, b, rng: crossover(a, b, 0, rng),
    "crossover-1": lambda _space, a, b, rng: crossover(a, b, 1, rng),
    "crossover-2": lambda _space, a, b, rng: crossover(a, b, 2, rng),
    "crossover-99": lambda _space, a, b, rng: crossover(a, b, 99, rng),
    "repair": lambda space, a, _b, rng: (repair(a, space, rng).genome,),
    "repair-out-of-range": lambda space, a, _b, rng: (repair((0, *a[1:-1], 99), space, rng).genome,),
}


every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
every_seed = pytest.mark.parametrize("seed", range(5))


def parents(space: SearchSpace, seed: int) -> tuple[Genome, Genome]:
    rng = np.random.default_rng([seed, 1])
    return random_genome(space, rng), random_genome(space, rng)


def switches(child: Genome, first: Genome, second: Genome) -> int:
    """How often a child changes the parent it copies, for parents that differ in every block."""
    sides = [c == a for c, a, b in zip(units(child), units(first), units(second), strict=True)]
    return sum(before != after for before, after in zip([True, *sides], sides, strict=False))


# Conformance


@every_seed
@every_space
@every_draw
def test_children_are_legal_after_repair(draw: Draw, space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for child in draw(space, *parents(space, seed), rng):
        mended = repair(child, space, rng).genome
        assert space.decode(mended)
        assert type(mended) is tuple and all(type(gene) is int for gene in (*child, *mended))
        assert tuple(json.loads(json.dumps(mended))) == mended


@every_seed
@every_space
@every_draw
def test_the_same_generator_state_gives_the_same_child(draw: Draw, space: SearchSpace, seed: int) -> None:
    one, two = np.random.default_rng(seed), np.random.default_rng(seed)
    assert draw(space, *parents(space, seed), one) == draw(space, *parents(space, seed), two)
    assert one.bit_generator.state == two.bit_generator.state


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
    a, b = parents(HYBRID, 0)
    children = {draw(HYBRID, a, b, np.random.default_rng(seed)) for seed in range(50)}
    silent = draw in (DRAWS["mutate-0"], DRAWS["crossover-0"], DRAWS["crossover-99"], DRAWS["repair"])
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
    assert {letter for letter, _ in units(mutate(genome, space, 1.0, rng))} == {1}
    assert space.decode((2, 1) * 50)


# Mutation


@every_seed
@every_space
def test_rate_0_changes_nothing_and_rate_1_redraws_all(space: SearchSpace, seed: int) -> None:
    genome, _ = parents(space, seed)
    assert mutate(genome, space, 0.0, np.random.default_rng(seed)) == genome
    children = [mutate(genome, space, 1.0, np.random.default_rng([seed, n])) for n in range(200)]
    if space.size == 1:
        assert set(children) == {genome}
        return
    for block in range(space.blocks):
        assert len({units(child)[block] for child in children}) > 1


def test_rate_is_the_share_of_classes_redrawn() -> None:
    space = SearchSpace("even", "", tuple(MIXERS), 5000)
    rng = np.random.default_rng(0)
    genome = random_genome(space, rng)
    for rate in (0.1, 0.5):
        child = mutate(genome, space, rate, rng)
        changed = sum(a != b for a, b in zip(units(genome), units(child), strict=True)) / 5000
        expected = rate * (1 - 1 / len(MIXERS))
        assert abs(changed - expected) < 4 * (expected * (1 - expected) / 5000) ** 0.5


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
    child = mutate((0, 0) * space.blocks, space, 0.5, rng)
    assert space.decode(repair(child, space, rng).genome)


# Crossover


@every_seed
@every_space
@pytest.mark.parametrize("points", [0, 1, 2, 3, 99])
def test_children_take_each_block_from_a_parent_at_its_place(space, points: int, seed: int) -> None:
    first, second = parents(space, seed)
    one, two = crossover(first, second, points, np.random.default_rng(seed))
    for a, b, c, d in zip(*map(units, (first, second, one, two)), strict=True):
        assert (c, d) in ((a, b), (b, a))
    assert Counter(units(one) + units(two)) == Counter(units(first) + units(second))


@every_seed
@pytest.mark.parametrize("points", [0, 1, 2, 3, 5, 6, 99])
def test_switch_points(points: int, seed: int) -> None:
    first, second = (1, 1) * 6, (2, 2) * 6
    one, two = crossover(first, second, points, np.random.default_rng(seed))
    assert switches(one, first, second) == switches(two, second, first) == min(points, 5)
    assert units(one)[0] == (1, 1)
    assert units(two)[0] == (2, 2)


def test_every_place_is_cut_at() -> None:
    first, second = (1, 1) * 6, (2, 2) * 6
    rng = np.random.default_rng(0)
    places = Counter(crossover(first, second, 1, rng)[0].count(1) // 2 for _ in range(1000))
    assert set(places) == {1, 2, 3, 4, 5}
    assert min(places.values()) > 130


def test_parents_that_agree_have_children_like_them() -> None:
    genome, _ = parents(HYBRID, 0)
    assert crossover(genome, genome, 2, np.random.default_rng(0)) == (genome, genome)


def test_parents_of_other_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match="parents of 4 and 6 genes"):
        crossover((1, 1) * 2, (1, 1) * 3, 1, np.random.default_rng(0))


# Repair


@every_seed
@every_space
def test_a_legal_genome_is_left_alone_and_nothing_is_drawn(space: SearchSpace, seed: int) -> None:
    genome, _ = parents(space, seed)
    rng = np.random.default_rng(seed)
    before = rng.bit_generator.state
    assert repair(genome, space, rng) == (genome, 0)
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
    assert mended.redrawn == redrawn
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
    assert changed >= 2
    assert mended.redrawn >= 2 * changed
    assert mended.redrawn % 2 == 0


@pytest.mark.parametrize(
    "rules",
    [
        (Rule(("attention",), at_least=1),),
        (Rule(("convolution",), at_least=4), Rule(("memoryless",), at_least=3)),
        (Rule(("convolution", "memoryless"), at_most=5),),
    ],
    ids=["no-such-class", "more-than-blocks", "too-few"],
)
def test_rules_that_cannot_be_met_are_refused(rules: tuple[Rule, ...]) -> None:
    space = SearchSpace("stuck", "", (FEED_FORWARD, MIXERS[0]), 6, rules)
    rng = np.random.default_rng(0)
    for call in (lambda: random_genome(space, rng), lambda: repair((1, 1) * 6, space, rng)):
        with pytest.raises(InvalidInput, match=r"space stuck: no genome that meets its rules .* loosen"):
            call()


@pytest.mark.parametrize("genome", [(), (1, 1), (1, 1, 1), (1, 1) * 9], ids=len)
def test_genomes_of_a_wrong_length_are_refused(genome: Genome) -> None:
    with pytest.raises(InvalidInput, match=f"has 16 integers .* found {len(genome)}"):
        repair(genome, HYBRID, np.random.default_rng(0))
