"""Dominance that respects intervals: a strict partial order, plain without margins, the same everywhere."""

import math
from dataclasses import replace
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsearch.campaign.dominance import dominates, dominations, nondominated, ranks
from archsearch.campaign.file import load_campaign
from archsearch.campaign.objectives import Objective
from archsearch.campaign.pricing import Pricing
from archsearch.reporting.page import margins
from archsearch.search.algorithm import Judged
from archsearch.search.nsga2 import rank
from genomes import InvalidInput, preset, random_genome
from hardware_profiles import device
from hardware_profiles.validation import Errors, Validation
from support import campaigns, report_cases

QUALITY = Objective("quality", "max")
LATENCY = Objective("decode_latency_s", "min", device="made-up")
FIGURES = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")

costs = st.one_of(
    st.floats(1e-12, 1e12),
    # close to each other, where margins decide and rounding may
    st.builds(lambda n, m: 1.1**n * (1 + m * 2.0**-52), st.integers(-4, 4), st.integers(-2, 2)),
)


@st.composite
def cases(draw: st.DrawFn, count: int):
    """Objectives, the first a quality and the others costs, and so many candidates' values."""
    margin = st.sampled_from([0.0, 1e-17, math.log(1.1), 0.3, 2.0]) | st.floats(0, 3)
    objectives = [QUALITY] + [
        replace(LATENCY, direction=draw(st.sampled_from(["min", "max"])), margin=draw(margin))
        for _ in range(draw(st.integers(1, 3)))
    ]
    values = [
        (draw(st.integers(-3, 3) | st.floats(-9, 9)), *(draw(costs) for _ in objectives[1:]))
        for _ in range(count)
    ]
    return objectives, values


@given(cases(count=3))
def test_it_is_a_strict_partial_order(case):
    objectives, values = case
    for a in values:
        assert not dominates(a, a, objectives)
    for a, b in permutations(values, 2):
        assert not (dominates(a, b, objectives) and dominates(b, a, objectives))
    for a, b, c in permutations(values, 3):
        if dominates(a, b, objectives) and dominates(b, c, objectives):
            assert dominates(a, c, objectives)


@given(
    st.lists(st.integers(0, 6), min_size=3, max_size=3), st.integers(-2, 2), st.sampled_from([0.0, 0.1, 0.3])
)
def test_a_chain_of_steps_as_large_as_the_margin_holds_at_its_ends(steps, ulps, margin):
    chain = [1.0]
    for step in steps:
        chain.append(chain[-1] * math.exp(margin) * (1 + ulps * 2.0**-52) + step * 1e-16)
    objectives = [replace(LATENCY, margin=margin)]
    before = [dominates((a,), (b,), objectives) for a, b in pairwise(chain)]
    assume(all(before))
    assert dominates((chain[0],), (chain[-1],), objectives)


@given(cases(count=2))
def test_without_margins_it_is_paretos(case):
    objectives, (a, b) = case
    plain = [replace(o, margin=0.0) for o in objectives]
    signs = [1 if o.direction == "min" else -1 for o in plain]
    first, second = ([s * v for s, v in zip(signs, x, strict=True)] for x in (a, b))
    pareto = all(x <= y for x, y in zip(first, second, strict=True)) and first != second
    assert dominates(a, b, plain) == pareto
    # a margin only takes dominance away
    assert pareto or not dominates(a, b, objectives)


def test_two_within_the_margin_are_not_told_apart():
    objectives = [QUALITY, replace(LATENCY, margin=math.log(1.1))]
    assert dominates((1.0, 1.0), (0.5, 1.2), objectives)
    assert not dominates((1.0, 1.0), (0.5, 1.05), objectives), "the second may be the faster one"
    assert dominates((1.0, 1.0), (0.5, 1.0), objectives), "one model, one price"
    assert not dominates((1.0, 1.0), (1.0, 1.05), objectives)
    assert nondominated([(1.0, 1.0), (0.5, 1.05), (0.5, 1.2)], objectives) == [True, True, False]


@given(st.integers(0, 9).flatmap(lambda count: cases(count=count)))
def test_fronts_are_peeled_off_by_dominance(case):
    objectives, values = case
    kept = nondominated(values, objectives)
    assert kept == [not any(dominates(other, value, objectives) for other in values) for value in values]
    assert dominations(values, objectives).tolist() == [
        [dominates(first, second, objectives) for second in values] for first in values
    ]
    found = ranks(values, objectives)
    for (a, front), (b, below) in product(zip(values, found, strict=True), repeat=2):
        assert front < below or not dominates(a, b, objectives)
    for value, front in zip(values, found, strict=True):
        above = [o for o, r in zip(values, found, strict=True) if r == front - 1]
        assert front == 0 or any(dominates(other, value, objectives) for other in above)


@given(st.integers(1, 9).flatmap(lambda count: cases(count=count)))
def test_selection_ranks_as_the_front_does_and_loses_nobody(case):
    objectives, values = case
    genome = random_genome(preset("hybrid").with_blocks(4), np.random.default_rng(0))
    # every value twice: DEAP sorts equal ones as one
    pool = [Judged(str(i), genome, value) for i, value in enumerate([*values, *values])]
    places = {each.judged.id: each.front for each in rank(pool, objectives)}
    assert [places[each.id] for each in pool] == ranks([*values, *values], objectives)


pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12)


@given(pairs)
def test_nondominated_is_what_no_other_dominates(values):
    def dominates(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    expected = [not any(dominates(other, value) for other in values) for value in values]
    assert nondominated(values, (LATENCY, QUALITY)) == expected


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=10))
def test_nondominated_in_three_dimensions(values):
    expected = [
        not any(all(a <= b for a, b in zip(other, value, strict=True)) and other != value for other in values)
        for value in values
    ]
    assert nondominated(values, (LATENCY, LATENCY, LATENCY)) == expected


# From a device's validation to the front.


def errors(low: float, high: float) -> Errors:
    return Errors(
        models=9,
        mape=0.1,
        within_10=0.5,
        within_20=0.9,
        kendall_tau=0.9,
        worst="x",
        worst_factor=1.3,
        low_factor=low,
        high_factor=high,
        repeat_spread=0.02,
    )


@pytest.fixture
def file(tmp_path):
    data = campaigns.tiny(campaigns.text_folder(tmp_path / "text"))
    data["objectives"].insert(2, {"metric": "prefill_latency_s", "device": "raspberry-pi-5"})
    data["objectives"].insert(3, {"metric": "state_bytes"})
    return campaigns.write(tmp_path / "tiny.yaml", data)


def pricing(file, *overrides: str) -> Pricing:
    """On a validated device; by intervals unless an override says otherwise."""
    validation = Validation.model_validate(
        {"date": "2026-01-01", "context": 512, "batch": 1, "dtype": "float32"}
        | dict(zip(FIGURES, (errors(0.8, 1.25), errors(0.9, 1.1), errors(1.0, 1.0)), strict=True))
    )
    pi = device("raspberry-pi-5").model_copy(update={"validation": validation})
    devices = {"raspberry-pi-5": pi, "galaxy-s24-ultra-cpu": device("galaxy-s24-ultra-cpu")}
    return Pricing.of(load_campaign(file, overrides or ("search.dominance=intervals",)), devices)


def test_margins_come_from_the_validation_of_a_device(file):
    found = {o.metric: o.margin for o in pricing(file).objectives}
    assert found.pop("prefill_latency_s") == pytest.approx(math.sqrt(2) * math.log(1.25))
    assert found.pop("decode_latency_s") == pytest.approx(math.sqrt(2) * math.log(1.1 / 0.9) / 2)
    assert set(found.values()) == {0.0}, "no validation, or nothing predicted"
    assert {o.margin for o in pricing(file, "search.dominance=values").objectives} == {0.0}
    with pytest.raises(InvalidInput, match=r"search\.dominance = 'none'.*'values' or 'intervals'"):
        pricing(file, "search.dominance=none")


def test_the_page_says_how_far_apart_candidates_are_told_apart(file):
    results = report_cases.build(2)
    assert margins(results) == ""
    apart = margins(replace(results, objectives=pricing(file).objectives))
    assert "37 % in prefill latency on raspberry-pi-5" in apart
    assert "15 % in decode latency on raspberry-pi-5" in apart
    assert "memory" not in apart
