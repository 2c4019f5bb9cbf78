"""What a report derives from results: who stands where, failures by cause."""

from dataclasses import replace

from archsearch.reporting import facts
from support import report_cases as cases


def test_what_stopped_early_is_listed_the_furthest_and_best_first(results):
    early = facts.stopped_early(results)
    assert early
    assert {c.id for c in early} == {
        c.id for c in results.candidates if c.status == "evaluated" and c.rung == 0
    }
    qualities = [c.objectives["quality"] for c in early]
    assert qualities == sorted(qualities, reverse=True)
    assert {facts.steps_of(c, results) for c in early} == {cases.RUNGS[0]}
    assert facts.steps_of(replace(early[0], rung=-1), results) is None


def test_fresh_seeds_are_counted(results):
    assert facts.seeds(facts.winners(results)) == cases.FINAL_SEEDS
    assert facts.seeds(facts.winners(cases.older())) == 0
    assert facts.trained_after_search(cases.older().candidates) == []


def test_failures_are_grouped_by_cause(results):
    groups = facts.failure_groups(results)
    not_finite = [g for g in groups if g.what == "candidate failed" and "not finite" in g.cause]
    assert len(not_finite) == 1, "steps differ, the cause is one"
    assert sum(len(g.ids) for g in groups if g.what != "trial failed") == sum(
        c.status != "evaluated" for c in results.candidates
    )
