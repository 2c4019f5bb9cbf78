"""What a report derives from results: dominance, failures by cause."""

import math
from dataclasses import replace

from archsearch.reporting import facts
from support import report_cases as cases


def test_dominance_needs_every_objective(results):
    a, b = results.candidates[0], results.candidates[1]
    better = replace(a, objectives={"quality": 1.0, cases.LATENCY.name: 1.0})
    equal = replace(b, objectives={"quality": 1.0, cases.LATENCY.name: 1.0})
    two = results.objectives[:2]
    assert not facts.dominates(better, equal, two) and not facts.dominates(equal, better, two)
    assert facts.dominates(replace(better, objectives={"quality": 1.1, cases.LATENCY.name: 1.0}), equal, two)
    assert not facts.dominates(
        replace(better, objectives={"quality": math.nan, cases.LATENCY.name: 0.5}), equal, two
    )
    assert not facts.dominates(replace(better, objectives={"quality": 2.0}), equal, two)


def test_failures_are_grouped_by_cause(results):
    groups = facts.failure_groups(results)
    not_finite = [g for g in groups if g.what == "candidate failed" and "not finite" in g.cause]
    assert len(not_finite) == 1, "steps differ, the cause is one"
    assert sum(len(g.ids) for g in groups if g.what != "trial failed") == sum(
        c.status != "evaluated" for c in results.candidates
    )
