"""The references of a run: who dominates them, and what their scores were."""

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, Results
from archsearch.reporting import facts, units
from archsearch.reporting.columns import objective_style


def comparison(
    reference: Candidate, winners: list[Candidate], results: Results
) -> list[tuple[str, str, str]]:
    """Name of each winner that dominates the reference, its id, and the difference on each objective."""
    if not facts.at_last_rung(reference, results):
        return []
    return [
        (c.name, c.id, ", ".join(_difference(c, reference, o) for o in results.objectives))
        for c in winners
        if facts.dominates(c, reference, results.objectives)
    ]


def tasks(results: Results) -> list[tuple[str, str, str, str]]:
    """Task, weight, mean and standard deviation of the references' scores at the last rung."""
    weights = {str(t.get("task")): t.get("weight", 1.0) for t in results.campaign.get("tasks") or ()}
    done = [c for c in facts.references(results) if facts.at_last_rung(c, results)]
    rows = []
    for name in facts.score_names(results):
        task = facts.task_of(name)
        scores = [c.signals[name] for c in done if name in c.signals]
        mean = sum(scores) / len(scores) if scores else None
        spread = None if mean is None else (sum((s - mean) ** 2 for s in scores) / len(scores)) ** 0.5
        style = units.Style(units.Unit(""), 3)
        rows.append((task, f"{weights.get(task, units.DASH)}", style.text(mean), style.text(spread)))
    return rows


def _difference(winner: Candidate, reference: Candidate, objective: Objective) -> str:
    a, b = winner.objectives[objective.name], reference.objectives[objective.name]
    what = objective.figure
    if objective.unit and b > 0:
        return f"{what} {100 * (a - b) / b:+.0f} %".replace("-", units.MINUS)
    style = objective_style(objective, [winner, reference])
    return f"{what} {units.Style(style.unit, style.decimals, signed=True).text(a - b)}"
