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
    label: str = ""
    """What stands beside the number where there is no heading; empty: the heading."""


def columns(candidates: list[Candidate], results: Results) -> list[Column]:
    """Objectives with their intervals and errors, scores and parameters of the candidates; what the training
    after the search says stands behind what the search went by."""
    shown = []
    for objective in results.objectives:
        style = objective_style(objective, candidates)
        filled = {c.id: _value(c, objective, style, results) for c in candidates}
        notes = (objective.details, _calibration(objective, results), _rung(objective, results))
        heading = units.with_unit(objective.figure, style.unit)
        shown.append(Column(heading, ", ".join(note for note in notes if note), filled))
        if objective.metric == QUALITY:
            shown += _after_search(candidates, style)
    style = units.Style(units.Unit(""), 3)
    for name in facts.score_names(results):
        task, scores = facts.task_of(name), {c.id: c.signals.get(name) for c in candidates}
        shown.append(_numbers(task, "score", scores, style, f"{task} score"))
        shown += _final_scores(task, candidates, style)
    for scale in ("proxy", "target"):
        sizes = {c.id: c.parameters.get(scale) for c in candidates}
        style = units.style_for("", [s for s in sizes.values() if s], digits=4)
        heading = units.with_unit("parameters", style.unit)
        shown.append(_numbers(heading, f"at the {scale}", sizes, style, f"{heading} at the {scale}"))
    return shown


def _value(c: Candidate, objective: Objective, style: units.Style, results: Results) -> NumberCell:
    """An objective, with its interval below a cost, and its error and steps below a quality."""
    value = facts.value(c, objective)
    if objective.metric != QUALITY:
        interval = c.intervals.get(objective.name)
        return NumberCell(style.text(value), style.range(*interval) if interval else "", value)
    notes = [_plus_minus(c.quality_error, style)] if c.quality_error is not None else []
    if value is not None and not facts.at_last_rung(c, results):
        notes.append(f"at {facts.steps_of(c, results)} steps, so not comparable")
    return NumberCell(style.text(value), ", ".join(notes), value)


def _after_search(candidates: list[Candidate], style: units.Style) -> list[Column]:
    """Quality after the search, and how it changed; no column where nothing was trained then."""
    if not facts.trained_after_search(candidates):
        return []
    signed = units.Style(style.unit, style.decimals, signed=True)
    cells = {}
    for c in candidates:
        value = None if c.final is None else c.final.quality
        notes = []
        if c.final is not None and c.final.failure is not None:
            notes.append(f"failed: {c.final.failure}")
        if c.final is not None and c.final.quality_error is not None:
            notes.append(_plus_minus(c.final.quality_error, style))
        if c.final_change is not None:
            notes.append(f"{signed.text(c.final_change)} since the search")
        cells[c.id] = NumberCell(style.text(value), ", ".join(notes), value)
    note = f"trained again with {facts.seeds(candidates)} fresh seeds, on test"
    return [Column("final quality", note, cells)]


def _final_scores(task: str, candidates: list[Candidate], style: units.Style) -> list[Column]:
    if not facts.trained_after_search(candidates):
        return []
    cells = {}
    for c in candidates:
        score = None if c.final is None else c.final.scores.get(task)
        spread = None if c.final is None else c.final.spreads.get(task)
        cells[c.id] = NumberCell(
            style.text(score), "" if spread is None else _plus_minus(spread, style, "a seed"), score
        )
    return [Column(task, "final score", cells, f"{task} final score")]


def _plus_minus(error: float, style: units.Style, what: str = "") -> str:
    return f"±{units.Style(style.unit, style.decimals).text(error)} {what}".rstrip()


def _rung(objective: Objective, results: Results) -> str:
    """Where a quality was read."""
    if objective.metric != QUALITY or not results.rungs:
        return ""
    return f"at {results.rungs[-1]} steps"


def _numbers(
    heading: str, note: str, numbers: Mapping[str, float | None], style: units.Style, label: str
) -> Column:
    return Column(heading, note, {id: NumberCell(style.text(n), "", n) for id, n in numbers.items()}, label)


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
