"""Search at a fixed number of parameters: feed-forward widths take up what the rest leaves.

Published hybrids are compared this way (LFM2, arXiv 2511.23404: layouts and counts at one parameter budget),
because a larger model is a better one before anything else is.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache

from genomes.accounting import parameters as count
from genomes.errors import InvalidInput
from genomes.layout import Block, Layout
from genomes.operators import Setting
from genomes.scale import Scale

RATIOS = ("ratio", "shared")
"""Settings of memoryless operators that are feed-forward widths as ratios of the width."""
STEP = 16
"""Feed-forward widths are multiples of this at the scale that the budget is for."""
_HALVINGS = 64


def retune(layout: Layout, scale: Scale, parameters: int, tolerance: float = 0.01) -> Layout:
    """The layout with all its feed-forward ratios times one factor, so that it has `parameters` at a scale.

    Widths are rounded to multiples of 16 and stay within what the operators allow. Of the layouts that a
    factor can give, the one nearest to the budget is taken, the smaller of two that are equally near, so the
    result depends on nothing else. Raises `InvalidInput` where it misses the budget by more than the share
    `tolerance`, saying how near it came and what the smallest and the largest are.
    """
    ratios = [ratio for block in layout for _, ratio, _ in _widths(block)]
    if not ratios:
        raise InvalidInput(f"{layout}: no feed-forward block whose width could be tuned to {parameters:,}")
    total = cache(lambda tuned: count(tuned.at(scale)))
    # These factors are beyond every bound: all widths are smallest, then largest.
    low, high = Fraction(1, 64 * 64) / max(ratios), 64 * 64 / min(ratios)
    below, above = smallest, largest = _scaled(layout, low, scale), _scaled(layout, high, scale)
    for _ in range(_HALVINGS if total(smallest) < parameters < total(largest) else 0):
        middle = (low + high) / 2
        tuned = _scaled(layout, middle, scale)
        if total(tuned) <= parameters:
            low, below = middle, tuned
        else:
            high, above = middle, tuned
    nearest = above if total(above) - parameters < parameters - total(below) else below
    if abs(total(nearest) - parameters) > tolerance * parameters:
        raise InvalidInput(
            f"{layout}: no feed-forward widths give {parameters:,} parameters within {tolerance:.1%} at "
            f"width {scale.width}; the nearest has {total(nearest):,}, the smallest {total(smallest):,}, the "
            f"largest {total(largest):,}"
        )
    return nearest


def _widths(block: Block) -> list[tuple[str, Fraction, Setting]]:
    """Name, value and bounds of the ratios of a block that are feed-forward widths."""
    if block.operator.kind != "memoryless":
        return []
    settings: Mapping[str, Setting] = block.operator.settings
    return [
        (name, value, settings[name])
        for name, value in block.settings
        if name in RATIOS and isinstance(value, Fraction)
    ]


def _scaled(layout: Layout, factor: Fraction, scale: Scale) -> Layout:
    """All feed-forward ratios times a factor, to the nearest width that can be built."""

    def tuned(block: Block) -> Block:
        changes = {name: _nearest(value * factor, setting, scale) for name, value, setting in _widths(block)}
        return replace(block, settings=tuple((name, changes.get(name, v)) for name, v in block.settings))

    return replace(layout, blocks=tuple(map(tuned, layout)))


def _nearest(ratio: Fraction, setting: Setting, scale: Scale) -> Fraction:
    """The ratio within bounds that gives the nearest multiple of 16; halves round up."""
    least = -(-setting.minimum * scale.width // STEP)
    most = setting.maximum * scale.width // STEP
    steps = (2 * ratio * scale.width + STEP) // (2 * STEP)
    return Fraction(STEP * int(min(max(steps, least, 1), max(most, 1))), scale.width)
