"""Which published classes hold a layout, known before anything is trained.

`deploys_to` asks for what runtimes load, whether or not archsearch writes it: `genomes.published_classes` is
the table of both.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

from genomes.class_shapes import BlockFacts, ClassShape, block_facts
from genomes.errors import InvalidInput
from genomes.layout import Block, Layout
from genomes.published_classes import LOADERS, PUBLISHED_CLASSES, Loader, PublishedClass
from genomes.scale import Scale


@dataclass(frozen=True)
class DeploysTo:
    """A rule: some class that all these runtimes load holds the layout, brought to the target's blocks."""

    runtimes: tuple[Loader, ...]
    target: Scale
    classes: tuple[PublishedClass, ...] = ()
    """The classes to choose from; by default all."""

    @property
    def text(self) -> str:
        """What it asks, for people."""
        return f"loads in {' and '.join(self.runtimes)}: one of {', '.join(c.name for c in self.candidates)}"

    @property
    def candidates(self) -> list[PublishedClass]:
        """The classes that all the runtimes load."""
        return [each for each in self.classes or PUBLISHED_CLASSES if each.loads_in(self.runtimes)]

    @cached_property
    def shapes(self) -> list[tuple[PublishedClass, ClassShape]]:
        """The candidates, with what each holds in these runtimes."""
        return [(each, each.shape_in(self.runtimes)) for each in self.candidates]

    def check(self, fewest: int) -> None:
        """Raise `InvalidInput` on an unknown runtime."""
        del fewest
        if unknown := set(self.runtimes) - set(LOADERS):
            raise InvalidInput(f"deploys_to = {', '.join(sorted(unknown))}; legal: {', '.join(LOADERS)}")

    def broken_by(self, layout: Layout) -> str | None:
        """Why the nearest class does not hold it, or None."""
        near = self.nearest(layout)
        deployed = self._deployed(layout)
        misfits = near.shape.misfits(deployed.facts)
        why = [
            f"block {i} ({layout.blocks[deployed.indices[i]]}) does not fit ({misfits[i]})"
            for i in sorted(misfits)[:1]
        ]
        why += [f"{op} is missing" for op in near.shape.missing(deployed.facts)]
        if not why:
            return None
        count = len(deployed.indices)
        counted = f" of the {count} blocks it is deployed with" if count != len(layout) else ""
        return (
            f"{' and '.join(self.runtimes)}: nearest is {near.published.name}, where "
            f"{'; '.join(why)}{counted}"
        )

    def wrong(self, layout: Layout) -> list[int]:
        """The blocks that the nearest class cannot hold; if none, those that could be what it lacks.

        Where a layer is half, all that would make it whole: skips instead of blocks, blocks instead of skips.
        """
        near, (indices, facts) = self.nearest(layout), self._deployed(layout)
        if near.distance.half:
            return list(range(len(layout)))
        wrong = set(near.shape.misfits(facts))
        if not wrong:
            ops = [layout.blocks[i].op for i in indices]
            last = {op for op in near.shape.needs if ops.count(op) == 1}
            for op in near.shape.missing(facts):
                wrong |= {i for i in near.shape.places(op, len(ops)) if ops[i] not in last}
        return sorted({indices[i] for i in wrong})

    def fits(self, layout: Layout, index: int, block: Block) -> bool:
        """Whether the block in its place brings the layout nearer to a class."""
        blocks = (*layout.blocks[:index], block, *layout.blocks[index + 1 :])
        near = self.nearest(layout)
        before = near.distance
        after = _distance(near.shape, self._deployed(replace(layout, blocks=blocks)))
        if before.half:
            return not after.half
        return after[:2] < before[:2] if before.misfits else after < before

    def nearest(self, layout: Layout) -> "Nearest":
        """The class that lacks least to hold the layout, and what that is."""
        deployed = self._deployed(layout)
        classes = (Nearest(each, shape, _distance(shape, deployed)) for each, shape in self.shapes)
        return min(classes, key=lambda near: near.distance)

    def facts(self, block: Block) -> BlockFacts | None:
        """The facts of a block at the target; None where no class could hold it."""
        return _facts(block, self.target)

    def _deployed(self, layout: Layout) -> "Deployed":
        indices = [i for i in self.target.indices(len(layout)) if layout.blocks[i].op != "skip"]
        facts = {i: self.facts(layout.blocks[i]) for i in set(indices)}
        return Deployed(indices, [facts[i] for i in indices])


class Deployed(NamedTuple):
    """The blocks that a layout is deployed with."""

    indices: list[int]
    """The layout block that stands at each deployed one."""
    facts: list[BlockFacts | None]


class Distance(NamedTuple):
    """How far a class is from holding a layout; what comes first is put right first."""

    half: bool
    """Whether a layer has only one of its two blocks: what stands after it is out of step."""
    misfits: int
    """Blocks that cannot stand where they do; putting one right may take an operator's only block away."""
    missing: int
    """Operators without a block."""


class Nearest(NamedTuple):
    """A class, what it holds in the runtimes asked for, and how far a layout is from it."""

    published: PublishedClass
    shape: ClassShape
    distance: Distance


def loaded_as(layout: Layout, target: Scale) -> dict[Loader, str]:
    """The class as which each runtime loads the layout at a target; without the runtimes that do not."""
    nearest = {runtime: DeploysTo((runtime,), target).nearest(layout) for runtime in LOADERS}
    return {runtime: near.published.name for runtime, near in nearest.items() if not any(near.distance)}


def _distance(shape: ClassShape, deployed: Deployed) -> Distance:
    return Distance(
        half=shape.layered and len(set(deployed.indices)) % 2 == 1,
        misfits=len(shape.misfits(deployed.facts)),
        missing=len(shape.missing(deployed.facts)),
    )


@lru_cache(maxsize=1 << 14)
def _facts(block: Block, target: Scale) -> BlockFacts | None:
    """A search asks for the same blocks again and again."""
    if block.minus is not None or block.shares:
        return None
    try:
        return block_facts(block.at(target).canonical(), target.width)
    except InvalidInput:
        return None
