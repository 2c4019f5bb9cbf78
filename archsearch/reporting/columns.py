"""The columns of numbers that tables of the page share: objectives, scores, parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.results import Candidate, Results
from archsearch.reporting import facts, units


@dataclass(frozen=True)
class NumberCell:
    """One number of a table."""

    text: str
    note: str = ""
    sort: float | None = None


@dataclass(frozen=True)
class Column:
    """One column of numbers: what stands above it, and how a candidate fills it."""

    heading: str
    note: str
    cells: dict[str, NumberCell]
    """Numbers by the candidate's id."""


def columns(candidates: list[Candidate], results: Results) -> list[Column]:
    """Objectives with their intervals, scores and parameters of the candidates."""
    shown = []
    for objective in results.objectives:
        style = objective_style(objective, candidates)
        filled = {}
        for c in candidates:
            value, interval = facts.value(c, objective), c.intervals.get(objective.name)
            filled[c.id] = NumberCell(style.text(value), style.range(*interval) if interval else "", value)
        notes = [note for note in (objective.details, _calibration(objective, results)) if note]
        shown.append(Column(units.with_unit(objective.figure, style.unit), ", ".join(notes), filled))
    for name in facts.score_names(results):
        scores = {c.id: c.signals.get(name) for c in candidates}
        style = units.Style(units.Unit(""), 3)
        shown.append(_numbers(facts.task_of(name), "score", scores, style))
    for scale in ("proxy", "target"):
        sizes = {c.id: c.parameters.get(scale) for c in candidates}
        style = units.style_for("", [s for s in sizes.values() if s], digits=4)
        shown.append(_numbers(units.with_unit("parameters", style.unit), f"at the {scale}", sizes, style))
    return shown


def _numbers(heading: str, note: str, numbers: Mapping[str, float | None], style: units.Style) -> Column:
    return Column(heading, note, {id: NumberCell(style.text(n), "", n) for id, n in numbers.items()})


def objective_style(objective: Objective, candidates: list[Candidate]) -> units.Style:
    """How the values of an objective are written; a quality, which is a difference, with its sign."""
    values = facts.values(candidates, objective)
    return units.style_for(objective.unit, values, signed=objective.metric == QUALITY)


def _calibration(objective: Objective, results: Results) -> str:
    """How the device of a predicted cost is known, such as `spec-only` or `measured`."""
    profile = None if objective.device is None else results.devices.get(objective.device)
    if profile is None:
        return "predicted" if objective.unit else ""
    return f"{profile.get('calibration', 'unknown')} profile"
