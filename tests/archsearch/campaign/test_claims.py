"""What may be said of a winner beside a reference."""

import math
from dataclasses import replace

import pytest

from archsearch.campaign.claims import claim, claims
from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, FinalTraining, Results
from support import report_cases as cases

LATENCY = cases.LATENCY.name
NOISE = {task: each.noise or 0.0 for task, each in cases.SCALE.tasks.items()}


@pytest.fixture(scope="module")
def results() -> Results:
    return replace(cases.build(3), objectives=cases.OBJECTIVES[:2])


@pytest.fixture
def reference(results: Results) -> Candidate:
    """Three seeds a task, quality 0 with an error of 0.3, a latency of 1 second."""
    return replace(
        results.candidate("lfm2"),
        objectives={"quality": 0.0, LATENCY: 1.0},
        quality_error=0.3,
        signals={"score[text]": 0.3, "score[fuzzy-recall]": 0.3},
        replicates={"text": 3, "fuzzy-recall": 3},
        rung=1,
        status="evaluated",
        final=None,
    )


@pytest.fixture
def winner(reference: Candidate) -> Candidate:
    """One seed, better in all by far."""
    return replace(
        reference,
        id="winner",
        name="winner",
        origin="searched",
        objectives={"quality": 2.0, LATENCY: 0.5},
        quality_error=0.4,
        signals={"score[text]": 0.5, "score[fuzzy-recall]": 0.5},
        replicates={"text": 1, "fuzzy-recall": 1},
    )


def test_better_on_everything_beyond_noise_dominates(winner, reference, results) -> None:
    assert claim(winner, reference, results) == "dominates"
    assert claim(reference, winner, results) == "trades"
    assert claims(winner, [reference, winner], results) == {"lfm2": "dominates"}


@pytest.mark.parametrize(("quality", "word"), [(0.99, "trades"), (1.01, "dominates")])
def test_quality_counts_beyond_two_standard_errors_of_the_difference(
    winner, reference, results, quality, word
) -> None:
    """Errors of 0.4 and 0.3 make 0.5 of the difference."""
    closer = replace(winner, objectives=winner.objectives | {"quality": quality})
    assert claim(closer, reference, results) == word


def test_an_equal_cost_is_not_better(winner, reference, results) -> None:
    same = replace(winner, objectives=winner.objectives | {LATENCY: 1.0})
    assert claim(same, reference, results) == "trades"
    dearer = replace(winner, objectives=winner.objectives | {LATENCY: math.nan})
    assert claim(dearer, reference, results) == "trades"


@pytest.mark.parametrize("which", ["margin", "error"])
def test_a_cost_counts_beyond_the_error_of_its_device(winner, reference, results, which) -> None:
    """Whether the search compares by it or not."""
    loose, tight = math.log(2.1), math.log(1.9)
    for size, word in ((loose, "trades"), (tight, "dominates")):
        o = replace(results.objectives[1], **{which: size})
        assert claim(winner, reference, replace(results, objectives=(results.objectives[0], o))) == word


def test_more_is_better_where_the_objective_says_so(winner, reference, results) -> None:
    gain = Objective("decode_flops_per_token", "max")
    one = replace(results, objectives=(results.objectives[0], gain))
    low, high = (
        {"quality": c.objectives["quality"], gain.name: v} for c, v in ((winner, 1.0), (winner, 3.0))
    )
    middle = replace(reference, objectives={"quality": 0.0, gain.name: 2.0})
    assert claim(replace(winner, objectives=high), middle, one) == "dominates"
    assert claim(replace(winner, objectives=low), middle, one) == "trades"


def test_a_task_that_is_worse_beyond_noise_makes_it_a_trade(winner, reference, results) -> None:
    error = NOISE["text"] * math.sqrt(1 + 1 / 3)
    for fall, word in ((1.9 * error, "dominates"), (2.1 * error, "trades")):
        worse = replace(winner, signals=winner.signals | {"score[text]": 0.3 - fall})
        assert claim(worse, reference, results) == word
    idle = replace(cases.SCALE, weights={"text": 0.0, "fuzzy-recall": 1.0})
    terrible = replace(winner, signals=winner.signals | {"score[text]": -9.0})
    assert claim(terrible, reference, results) == "trades"
    assert claim(terrible, reference, replace(results, scales={1: idle})) == "dominates"


def test_without_known_noise_any_difference_counts(winner, reference, results) -> None:
    old = replace(cases.older(), objectives=results.objectives)
    bare = replace(reference, quality_error=None)
    close = replace(winner, objectives={"quality": 0.001, LATENCY: 0.999}, quality_error=None)
    assert claim(close, bare, old) == "dominates"
    slightly = replace(close, signals=close.signals | {"score[text]": 0.2999})
    assert claim(slightly, bare, old) == "trades"


def test_what_was_not_judged_at_equal_steps_is_not_compared(winner, reference, results) -> None:
    for changes in (
        {"rung": 0},
        {"status": "failed"},
        {"objectives": {LATENCY: 1.0}},
        {"objectives": {"quality": 0.0}},
        {"objectives": {"quality": math.nan, LATENCY: 1.0}},
    ):
        assert claim(winner, replace(reference, **changes), results) is None
        assert claim(replace(winner, **changes), reference, results) is None


def test_the_training_after_the_search_has_the_last_word(winner, reference, results) -> None:
    def final(quality: float, score: float) -> FinalTraining:
        return FinalTraining(
            scores={"text": score, "fuzzy-recall": score},
            replicates={"text": 3, "fuzzy-recall": 3},
            quality=quality,
            quality_error=0.1,
        )

    judged = replace(reference, final=final(0.0, 0.3))
    assert claim(replace(winner, final=final(0.1, 0.5)), judged, results) == "trades"
    assert claim(replace(winner, final=final(0.5, 0.5)), judged, results) == "dominates"
    assert claim(replace(winner, final=final(0.5, 0.1)), judged, results) == "trades"
    assert claim(replace(winner, final=final(0.1, 0.5)), reference, results) == "dominates", "one has none"
    failed = FinalTraining("it diverged")
    assert claim(replace(winner, final=failed), judged, results) == "trades", "it claims nothing"
