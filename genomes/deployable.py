"""A search space restricted to what runtimes load."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genomes.deployment import DeploysTo
from genomes.errors import InvalidInput
from genomes.layout import Block
from genomes.published_classes import Loader
from genomes.scale import Scale
from genomes.space import SearchSpace
from genomes.variation import random_genome


def deployable(space: SearchSpace, runtimes: Sequence[Loader], target: Scale) -> SearchSpace:
    """The space with a `DeploysTo` rule, whose classes are those that its blocks and other rules allow.

    Raises `InvalidInput` where no runtime could load what blocks share, a block has no whole sizes at the
    target, or no class is left.
    """
    if space.sharing or space.recurrence:
        raise InvalidInput(f"deploys_to: no runtime shares between blocks, as space {space.name} does")
    rule = DeploysTo(tuple(runtimes), target)
    rule.check(space.fewest)
    space.check_scale(target)  # what has no sizes there fits no class, for a reason that no class can name
    classes = tuple(each for each in rule.candidates if _has_genomes(space, replace(rule, classes=(each,))))
    if not classes:
        hint = (
            " (stretching tears layers apart: try target.repeat: stack)" if target.repeat == "stretch" else ""
        )
        raise InvalidInput(
            f"deploys_to: space {space.name} with {space.blocks} blocks holds nothing that "
            f"{' and '.join(runtimes)} load{hint}; they load: {', '.join(c.name for c in rule.candidates)}"
        )
    return _ruled(space, replace(rule, classes=classes))


def _ruled(space: SearchSpace, rule: DeploysTo) -> SearchSpace:
    return replace(space, rules=(*space.rules, rule))


def _has_genomes(space: SearchSpace, rule: DeploysTo) -> bool:
    """Whether a layout of one class, made of nothing but its blocks, meets all rules."""
    ((_, shape),) = rule.shapes

    def held(block: Block) -> bool:
        return block.op == "skip" or ((facts := rule.facts(block)) is not None and shape.holds(facts))

    kept = [
        each._replace(variants=variants)
        for each in space.classes
        if (variants := tuple(filter(held, each.variants)))
    ]
    if all(variant.op == "skip" for each in kept for variant in each.variants):
        return False
    narrowed = replace(space, classes=tuple(kept))
    try:
        random_genome(_ruled(narrowed, rule), np.random.default_rng(0))
    except InvalidInput:
        return False
    return True
