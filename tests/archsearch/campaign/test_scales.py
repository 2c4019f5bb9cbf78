"""The scales of a run's rungs: by which references, with which weights, and what is said of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from archsearch.campaign.events import JobRecord, SessionBegan
from archsearch.campaign.file import load_campaign
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.quality import RungScale
from archsearch.campaign.scales import remarks
from archsearch.campaign.standing import Standing
from archsearch.campaign.summary import candidate, task_facts
from archsearch.executors import Failure
from hardware_profiles import Estimate
from support import campaigns
from support.event_cases import candidate_record, job_done, trial_done

QUALITY = Objective("quality", "max")
COST = Objective("parameters", "min", at_most=10.0)
REFERENCES = ("transformer++", "lfm2", "qwen3")
TASKS = ("text", "in-context-recall")
WELL = {"text": (0.5, 0.52, 0.48), "in-context-recall": (0.3, 0.34, 0.32)}
BADLY = {"text": (0.001, 0.02, -0.02), "in-context-recall": (0.004, -0.04, 0.02)}


@pytest.fixture
def file(tmp_path, text) -> Path:
    """Two rungs; text weighs 2, recall 1."""
    data = campaigns.tiny(text) | {"references": list(REFERENCES)}
    return campaigns.write(tmp_path / "tiny.yaml", data)


def begun(file: Path) -> Standing:
    ledger = Ledger(load_campaign(file))
    ledger.apply(SessionBegan(executor="local", began=1.0, workers=1, reference_point={"quality": -5.0}))
    return Standing(ledger, (QUALITY, COST))


def admit(standing: Standing, name: str, cost: float = 1.0) -> None:
    estimate = Estimate(cost, cost, cost)
    standing.ledger.apply(candidate_record(name, name in REFERENCES, costs={COST.name: estimate}))


def trained(file: Path, *by_rung: dict[str, tuple[float, ...]], shift: float = 0.1) -> Standing:
    """References trained at some rungs, each a little better than the one before."""
    standing = begun(file)
    for place, name in enumerate(REFERENCES):
        admit(standing, name)
        for rung, scores in enumerate(by_rung):
            moved = {task: tuple(score + shift * place for score in each) for task, each in scores.items()}
            standing.ledger.apply(job_done(name, rung, moved))
    return standing


def known_scale(standing: Standing, rung: int) -> RungScale:
    scale = standing.scale(rung)
    assert scale is not None
    return scale


def test_a_task_that_no_reference_masters_has_no_weight_and_is_named(file) -> None:
    standing = trained(
        file, WELL, {"text": WELL["text"], "in-context-recall": BADLY["in-context-recall"]}, shift=0.0
    )
    assert known_scale(standing, 0).weights == {"text": 2.0, "in-context-recall": 1.0}
    assert known_scale(standing, 1).weights == {"text": 2.0, "in-context-recall": 0.0}
    standing.check_scale()
    (sentence,) = remarks(standing.scales, (5, 10))
    assert sentence.startswith(
        "in-context-recall has no weight at 10 steps: the best reference scores -0.005"
    )
    assert "0 is majority" in sentence and "noise is 0.031" in sentence
    text, recall = task_facts(standing)
    assert (text.weight, text.remark) == (2.0, "")
    assert (recall.weight, recall.asked_weight) == (0.0, 1.0)
    assert recall.remark in sentence
    admit(standing, "x")
    standing.ledger.apply(job_done("x", 0, dict.fromkeys(TASKS, (0.0,))))
    standing.ledger.apply(job_done("x", 1, {"text": (0.5,), "in-context-recall": (0.99,)}))
    assert standing.quality("x", 1) == pytest.approx(0.0), (
        "a lucky guess at what nobody masters is worth nothing"
    )


def test_a_lower_rung_without_any_mastered_task_keeps_the_weights_and_says_so(file) -> None:
    standing = trained(file, BADLY, WELL, shift=0.0)
    assert known_scale(standing, 0).weights == {"text": 2.0, "in-context-recall": 1.0}
    assert remarks(standing.scales, (5, 10)) == [
        "At 5 steps no reference masters any task: weights count there as the campaign asks."
    ]
    standing.check_scale()


def test_where_references_master_nothing_weights_stay_and_the_reader_is_warned(file) -> None:
    standing = trained(file, BADLY, BADLY, shift=0.0)
    assert known_scale(standing, 1).weights == {"text": 2.0, "in-context-recall": 1.0}
    assert standing.quality("lfm2", 1) is not None
    standing.check_scale()
    sentence = remarks(standing.scales, (5, 10))[-1]
    assert sentence.startswith("No reference masters a task within 10 steps, so quality is noise")
    for words in ("text: the best reference scores 0.000", "in-context-recall: ", "noise is", "budget.rungs"):
        assert words in sentence


def test_the_check_waits_for_the_references_and_names_why_none_was_trained(file) -> None:
    standing = begun(file)
    standing.check_scale()
    for name in REFERENCES:
        admit(standing, name)
        standing.check_scale()
    failed = JobRecord(
        candidate="f",
        proxy="",
        rung=0,
        seconds=1.0,
        startup_seconds=0.0,
        failure=Failure("error", "it broke"),
        asked=(),
        trials=(),
    )
    for name in REFERENCES:
        standing.ledger.apply(replace(failed, proxy=name))
    assert standing.scale(1) is None
    with pytest.raises(RuntimeError, match=r"no reference could be trained.*error: it broke"):
        standing.check_scale()


def test_a_failed_reference_is_left_out_and_two_have_no_deviation(file) -> None:
    standing = trained(file, WELL, WELL)
    standing.ledger.apply(job_done("lfm2", 1, WELL, cause="it diverged"))
    scale = known_scale(standing, 1)
    assert scale.tasks["text"].references == 2
    assert scale.tasks["text"].mean == pytest.approx((0.5 + 0.7) / 2)
    assert (scale.tasks["text"].deviation, scale.tasks["text"].divided_by) == (None, "noise")
    assert any("Only 2 references were trained" in each for each in remarks(standing.scales, (5, 10)))
    assert standing.failure("lfm2", 1) == "text: it diverged"
    assert [set(facts.references) for facts in task_facts(standing)] == 2 * [{"transformer++", "qwen3"}]


def test_quality_waits_for_every_reference(file) -> None:
    standing = begun(file)
    for name in REFERENCES[:2]:
        admit(standing, name)
        standing.ledger.apply(job_done(name, 0, WELL))
    assert standing.scale(0) is None
    assert standing.quality("lfm2", 0) is None
    assert task_facts(standing) == ()


def test_one_seed_of_each_older_reference_keeps_the_older_rule(file) -> None:
    """No noise, no baseline: weights as asked, the population deviation, at least the resolution."""
    standing = begun(file)
    for place, name in enumerate(REFERENCES):
        admit(standing, name)
        for rung in (0, 1):
            trials = tuple(
                trial_done(f"{name}/{rung}/{task}/{rate}", task, score if rate == 1 else 99.0, float(rate))
                for task, score in zip(TASKS, (-3.0 - place, 0.2), strict=True)
                for rate in (1, 2)  # the second rate is worse, its score must not count
            )
            standing.ledger.apply(
                JobRecord(
                    candidate=f"f-{name}",
                    proxy=name,
                    rung=rung,
                    seconds=1.0,
                    startup_seconds=0.0,
                    failure=None,
                    asked=tuple(trial.key for trial in trials),
                    trials=trials,
                )
            )
    text, recall = known_scale(standing, 1).tasks.values()
    assert (text.mean, text.divisor) == (-4.0, pytest.approx((2 / 3) ** 0.5))
    assert (recall.mean, recall.divisor, recall.divided_by) == (pytest.approx(0.2), 0.01, "resolution")
    assert known_scale(standing, 1).weights == {"text": 2.0, "in-context-recall": 1.0}
    assert standing.quality_error("lfm2", 1) is None
    assert remarks(standing.scales, (5, 10)) == []


def test_after_the_search_fresh_seeds_are_judged_on_test_by_the_references_there(file) -> None:
    standing = trained(file, WELL, WELL)
    admit(standing, "x")
    lucky = dict.fromkeys(TASKS, (0.9,))
    for rung in (0, 1):
        standing.ledger.apply(job_done("x", rung, lucky))
    assert standing.final("x") is None
    front, during = [r.fingerprint for r in standing.front], standing.quality("x", 1)
    test = {"text": (0.55, 0.65), "in-context-recall": (0.5, 0.4)}
    standing.ledger.apply(job_done("x", 2, dict.fromkeys(TASKS, (99.0, 99.0)), test))
    first = standing.final("x")
    assert first is not None
    assert (first.scores["text"], first.replicates["text"]) == (pytest.approx(0.6), 2)
    assert first.spreads["text"] == pytest.approx(0.1 / 2**0.5)
    assert first.quality is None, "the references have no final scores yet"
    for place, name in enumerate(REFERENCES):
        moved = dict.fromkeys(TASKS, (0.4 + 0.1 * place,))
        standing.ledger.apply(job_done(name, 2, dict.fromkeys(TASKS, (0.0,)), moved))
    final = standing.final("x")
    assert final is not None
    # One fresh seed of each reference tells no noise: that of the last rung counts. Their deviation is 0.1.
    noise = {task: known_scale(standing, 1).tasks[task].noise or 0.0 for task in TASKS}
    assert {task: each.noise for task, each in known_scale(standing, 2).tasks.items()} == noise
    assert final.quality == pytest.approx((2 * (0.6 - 0.5) / 0.1 + (0.45 - 0.5) / 0.1) / 3)
    assert final.quality_error is not None and final.quality_error > 0
    assert [r.fingerprint for r in standing.front] == front, "the search's front stays"
    assert standing.quality("x", 1) == during
    judged = candidate(standing.ledger.candidates["f-x"], standing)
    assert (judged.rung, judged.objectives["quality"]) == (1, during)
    assert judged.final_change == pytest.approx(final.quality - during)
    assert judged.final_change < 0


def test_a_training_after_the_search_that_fails_says_why_and_fails_no_candidate(file) -> None:
    standing = trained(file, WELL, WELL)
    standing.ledger.apply(job_done("lfm2", 2, WELL, cause="it diverged"))
    final = standing.final("lfm2")
    assert final is not None
    assert (final.failure, final.quality, final.scores) == ("text: it diverged", None, {})
    record = standing.ledger.candidates["f-lfm2"]
    assert standing.status(record) == "evaluated"
    assert "f-lfm2" in standing.finished


def test_a_reference_that_breaks_a_bound_counts_for_the_scale_and_never_for_the_front(file) -> None:
    standing = begun(file)
    for place, name in enumerate(REFERENCES):
        admit(standing, name, cost=11.0 if name == "qwen3" else 1.0)
        for rung in (0, 1):
            moved = {task: tuple(score + 0.1 * place for score in each) for task, each in WELL.items()}
            standing.ledger.apply(job_done(name, rung, moved))
    assert known_scale(standing, 1).tasks["text"].references == 3
    best = standing.ledger.candidates["f-qwen3"]
    assert standing.quality("qwen3", 1) == max(standing.quality(name, 1) or 0.0 for name in REFERENCES)
    assert standing.breaks(best) == "parameters = 11 is above at_most = 10"
    assert "f-qwen3" not in standing.finished
    assert [record.name for record in standing.front] == ["lfm2"]
    assert candidate(best, standing).breaks == standing.breaks(best)
    assert candidate(standing.front[0], standing).breaks is None
