"""Spaces, and everything that draws genomes of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from genomes import (
    PRESETS,
    Alternate,
    Count,
    Genome,
    Positions,
    SearchSpace,
    Sharing,
    StoredChoices,
    Uniform,
    block_class,
    crossover,
    delete,
    duplicate,
    homologous,
    insert,
    mutate,
    preset,
    random_genome,
    repair,
    restructure,
    swap,
)

HYBRID = preset("hybrid")
FEED_FORWARD = block_class("feed_forward", *(f"swiglu({n})" for n in range(1, 13)), weight=3)
MIXERS = [block_class(f"conv{n}", f"short_conv({n})") for n in range(2, 13)]

SHARED = SearchSpace(
    "shared",
    "",
    (
        block_class("attention", "attention", "attention(kv=1/4)", weight=2),
        block_class("difference", "attention-attention"),
        MIXERS[0],
        block_class("feed_forward", "swiglu(2)", "swiglu(4)", weight=2),
        block_class("skip", "skip"),
    ),
    10,
    4,
    sharing=Sharing(2),
)

SPACES: dict[str, SearchSpace] = {
    **PRESETS,
    "hybrid-3": HYBRID.with_blocks(3),
    "hybrid-24": HYBRID.with_blocks(24),
    "hybrid-any": HYBRID.with_blocks(12, 3),
    "one-block": SearchSpace("one", "", (FEED_FORWARD, MIXERS[0]), 1),
    "one-genome": SearchSpace("single", "", (MIXERS[0],), 4),
    "two-digits": SearchSpace("wide", "", (*MIXERS, FEED_FORWARD), 6),
    "shared": SHARED,
    "stored": replace(
        HYBRID.with_blocks(8, 3), stored=StoredChoices(("float32", "int8", "int4"), ("float16", "int8"))
    ),
    "shared-stored": replace(SHARED, stored=StoredChoices(cache=("float32", "int8"))),
    "one-stored": replace(HYBRID.with_blocks(3), stored=StoredChoices(weights=("int4",))),
    "ruled": SearchSpace(
        "ruled",
        "",
        (FEED_FORWARD, *MIXERS),
        6,
        rules=(Count(("convolution",), at_least=2, at_most=3), Count(("memoryless",), at_least=3)),
    ),
    "strict": SearchSpace(
        "strict",
        "",
        (block_class("attention", *(f"attention(kv=1/{n})" for n in (1, 2, 4))), *SHARED.classes[2:]),
        12,
        5,
        rules=(
            Alternate(),
            Uniform("kv", ("attention",)),
            Uniform("ratio", ("swiglu",)),
            Positions((0,), ops=("attention",)),
            Count(("convolution",), at_least=1),
        ),
    ),
}

Draw = Callable[[SearchSpace, Genome, Genome, np.random.Generator], tuple[Genome, ...]]


def crossed(points: int) -> Draw:
    def draw(space: SearchSpace, a: Genome, b: Genome, rng: np.random.Generator) -> tuple[Genome, ...]:
        return (crossover if len(a) == len(b) else homologous)(a, b, space, points, rng)

    return draw


DRAWS: dict[str, Draw] = {
    "random": lambda space, _a, _b, rng: (random_genome(space, rng),),
    "mutate-0": lambda space, a, _b, rng: (mutate(a, space, 0.0, rng),),
    "mutate-0.1": lambda space, a, _b, rng: (mutate(a, space, 0.1, rng),),
    "mutate-1": lambda space, a, _b, rng: (mutate(a, space, 1.0, rng),),
    "crossover-0": crossed(0),
    "crossover-1": crossed(1),
    "crossover-2": crossed(2),
    "crossover-99": crossed(99),
    "homologous-1": lambda space, a, b, rng: homologous(a, b, space, 1, rng),
    "homologous-2": lambda space, a, b, rng: homologous(a, b, space, 2, rng),
    "swap": lambda space, a, _b, rng: (swap(a, space, rng),),
    "insert": lambda space, a, _b, rng: (insert(a, space, rng),),
    "delete": lambda space, a, _b, rng: (delete(a, space, rng),),
    "duplicate": lambda space, a, _b, rng: (duplicate(a, space, rng),),
    "restructure-1": lambda space, a, _b, rng: (restructure(a, space, 1.0, rng),),
    "repair": lambda space, a, _b, rng: (repair(a, space, rng).genome,),
    "repair-out-of-range": lambda space, a, _b, rng: (repair((0, *a[1:-1], 99), space, rng).genome,),
}


every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
every_seed = pytest.mark.parametrize("seed", range(3))


def units(genome: Genome, genes: int = 2) -> list[Genome]:
    return [genome[i : i + genes] for i in range(0, len(genome), genes)]


def parents(space: SearchSpace, seed: int) -> tuple[Genome, Genome]:
    rng = np.random.default_rng([seed, 1])
    return random_genome(space, rng), random_genome(space, rng)


def switches(child: Genome, first: Genome, second: Genome) -> int:
    """How often a child changes the parent it copies, for parents that differ in every block."""
    sides = [c == a for c, a, b in zip(units(child), units(first), units(second), strict=True)]
    return sum(before != after for before, after in zip([True, *sides], sides, strict=False))
