"""A fixed number of parameters: met within the tolerance, by one factor, or refused with what is possible."""

import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from genomes import (
    PRESETS,
    InvalidInput,
    Layout,
    Scale,
    accounting,
    parse_layout,
    random_genome,
    retune,
)

TARGET = Scale(width=1024, head_dim=64, blocks=32, vocab_size=65536, context=4096)
PROXY = Scale(width=64, head_dim=16, context=64)
LAYOUT = parse_layout("short_conv(3) swiglu(4) attention(kv=1/4) swiglu(2)")


def parameters(layout: Layout, scale: Scale) -> int:
    return accounting.parameters(layout.at(scale))


def ratios(layout: Layout) -> list[Fraction]:
    names = ("ratio", "shared")
    memoryless = (block for block in layout if block.operator.kind == "memoryless")
    return [value for block in memoryless for name, value in block.settings if name in names and value]


scales = st.builds(
    lambda heads, size, words: Scale(width=4 * heads * size, head_dim=size, vocab_size=words, context=4096),
    st.integers(1, 6),
    st.sampled_from([16, 32]),
    st.integers(2, 2000),
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(list(PRESETS.values())), scales, st.integers(0, 2**32), st.floats(0.3, 3.0))
def test_the_budget_is_met_or_refused(space, scale: Scale, seed: int, share: float) -> None:
    layout = space.decode(random_genome(space, np.random.default_rng(seed)))
    budget = int(share * parameters(layout, scale))
    try:
        tuned = retune(layout, scale, budget)
    except InvalidInput as error:
        if not ratios(layout):
            assert "no feed-forward block" in str(error)
            return
        found = re.findall(r"(?:has|smallest|largest) ([\d,]+)", str(error))
        nearest, least, most = (int(number.replace(",", "")) for number in found)
        assert abs(nearest - budget) > 0.01 * budget
        assert least <= nearest <= most
        return
    assert abs(parameters(tuned, scale) - budget) <= 0.01 * budget
    assert tuned == retune(layout, scale, budget)
    assert parse_layout(str(tuned)) == tuned
    for before, after in zip(layout, tuned, strict=True):
        assert (before.op, before.minus, before.shares) == (after.op, after.minus, after.shares)
        assert before == after or before.operator.kind == "memoryless"
    assert all((ratio * scale.width) % 16 == 0 and ratio <= 64 for ratio in ratios(tuned))
    step = Fraction(16, scale.width)
    clamped = {Fraction(64), step * max(1, -(-Fraction(1, 16) // step))}
    assume(not clamped & set(ratios(tuned)))
    pairs = set(zip(ratios(layout), ratios(tuned), strict=True))
    for (first, tuned_first), (second, tuned_second) in product(pairs, repeat=2):
        assert abs(tuned_first / first - tuned_second / second) * min(first, second) <= step


@settings(deadline=None, max_examples=30)
@given(st.integers(120, 3000), st.floats(0, 0.2))
def test_no_factor_comes_nearer(millions: int, tolerance: float) -> None:
    """Against all factors, one by one, where a step of the width is coarse."""
    scale = Scale(width=64, head_dim=16)
    budget = 100 * millions
    steps = {parameters(parse_layout(f"short_conv(3) swiglu({n}/4)"), scale) for n in range(1, 257)}
    nearest = min(steps, key=lambda found: (abs(found - budget), found))
    layout = parse_layout("short_conv(3) swiglu(3)")
    if abs(nearest - budget) <= tolerance * budget:
        assert parameters(retune(layout, scale, budget, tolerance), scale) == nearest
    else:
        with pytest.raises(InvalidInput, match=f"nearest has {nearest:,}, "):
            retune(layout, scale, budget, tolerance)


def test_by_hand() -> None:
    tuned = retune(LAYOUT, TARGET, 350_000_000)
    assert abs(parameters(tuned, TARGET) - 350_000_000) < 500_000
    assert ratios(tuned)[0] / ratios(tuned)[1] == pytest.approx(2, rel=0.01)
    assert retune(LAYOUT, TARGET, parameters(LAYOUT, TARGET)) == LAYOUT
    assert tuned.at(PROXY).blocks


def test_blocks_that_share_stay_alike() -> None:
    layout = parse_layout("attention swiglu(3) attention swiglu(3,weights=@1) moe(1/2,shared=1/2)")
    tuned = retune(layout, TARGET, 500_000_000)
    assert tuned.blocks[1].alone == tuned.blocks[3].alone
    assert abs(parameters(tuned, TARGET) - 500_000_000) <= 5_000_000


@pytest.mark.parametrize("budget", [1, 1_000_000, 10**12])
def test_what_cannot_be_reached_is_refused_with_what_can(budget: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        retune(LAYOUT, TARGET, budget)
    message = str(caught.value)
    narrow = parse_layout("short_conv(3) swiglu(1/16) attention(kv=1/4) swiglu(1/16)")
    smallest = parameters(narrow, TARGET)
    assert f"{budget:,} parameters within 1.0% at width 1024" in message
    assert f"the smallest {smallest:,}" in message
    with pytest.raises(InvalidInput, match="no feed-forward block"):
        retune(parse_layout("attention rg_lru"), TARGET, 10**8)
