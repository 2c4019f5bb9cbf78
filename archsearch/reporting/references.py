"""The references of a run: who dominates them, and what tasks are worth by their scores."""

from dataclasses import dataclass

from archsearch.campaign.claims import claim
from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.results import Candidate, Results, TaskFacts
from archsearch.reporting import units
from archsearch.reporting.columns import objective_style

_SCORE = units.Style(units.Unit(""), 3)


@dataclass(frozen=True)
class BesideTheFront:
    """A reference beside the front."""

    dominated_by: list[tuple[str, str, str]]
    """Name of each winner that dominates it, its id, and the difference on each objective."""
    trades: int
    """Number of winners that trade with it."""


@dataclass(frozen=True)
class TaskRow:
    """A task in words and formatted numbers."""

    task: str
    weight: str
    remark: str
    baseline: str
    mean: str
    deviation: str
    noise: str
    divisor: str
    divided_by: str
    share: str
    edges: str
    references: list[tuple[str, str]]
    """Score and accuracy of each reference, in the order of `results.references`."""


def compare(reference: Candidate, winners: list[Candidate], results: Results) -> BesideTheFront:
    """What the winners are to a reference, as far as both were judged at equal steps."""
    words = {c.id: claim(c, reference, results) for c in winners if c.id != reference.id}
    return BesideTheFront(
        [
            (c.name, c.id, ", ".join(_difference(c, reference, o) for o in results.objectives))
            for c in winners
            if words.get(c.id) == "dominates"
        ],
        list(words.values()).count("trades"),
    )


def task_rows(results: Results) -> list[TaskRow]:
    """What each task is worth at the last rung, and how each reference did."""
    return [_row(each, results) for each in results.tasks]


def _row(each: TaskFacts, results: Results) -> TaskRow:
    scale = each.scale
    scores = [each.references.get(name) for name in results.references]
    asked = f" of {each.asked_weight:g} asked" if each.weight != each.asked_weight else ""
    return TaskRow(
        task=each.task,
        weight=f"{each.weight:g}{asked}",
        remark=each.remark,
        baseline=scale.baseline.words if scale.baseline is not None else "",
        mean=_SCORE.text(scale.mean),
        deviation=_SCORE.text(scale.deviation),
        noise=_SCORE.text(scale.noise),
        divisor=_SCORE.text(scale.divisor),
        divided_by=scale.divided_by,
        share=units.DASH if each.share is None else units.percent(each.share).replace("-", units.MINUS),
        edges=each.edges,
        references=[
            (units.DASH, "")
            if reached is None
            else (
                _SCORE.text(reached.score),
                "" if reached.accuracy is None else f"accuracy {_SCORE.text(reached.accuracy)}",
            )
            for reached in scores
        ],
    )


def _difference(winner: Candidate, reference: Candidate, objective: Objective) -> str:
    a, b = winner.objectives[objective.name], reference.objectives[objective.name]
    what = objective.figure
    if objective.name == QUALITY:
        finals = [each.final.quality for each in (winner, reference) if each.final is not None]
        known = [quality for quality in finals if quality is not None]
        if len(known) == 2:
            (a, b), what = known, "quality after the search"
    if objective.unit and b > 0:
        return f"{what} {100 * (a - b) / b:+.0f} %".replace("-", units.MINUS)
    style = objective_style(objective, [winner, reference])
    return f"{what} {units.Style(style.unit, style.decimals, signed=True).text(a - b)}"
