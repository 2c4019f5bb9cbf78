"""Finalists measured again: predicted beside measured, and how far predictions were off."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, Results, Summary
from archsearch.reporting import units


@dataclass(frozen=True)
class MeasuredFigure:
    """One figure of one finalist, in words."""

    candidate: Candidate
    figure: str
    where: str
    predicted: str
    interval: str
    measured: str
    spread: str
    error: str
    remark: str


def finalists(results: Results) -> list[Candidate]:
    """The candidates that were chosen to be measured, best first."""
    by_id = {candidate.id: candidate for candidate in results.candidates}
    return [by_id[id] for id in results.finalists if id in by_id]


def error(candidate: Candidate, objective: Objective) -> float | None:
    """Predicted over measured, less one; None where nothing above zero was measured."""
    measured, predicted = candidate.measured.get(objective.name), candidate.objectives.get(objective.name)
    if measured is None or measured.median <= 0 or predicted is None:
        return None
    return predicted / measured.median - 1


def rows(results: Results) -> list[MeasuredFigure]:
    """Each finalist's figures, measured or failed."""
    chosen, figures = finalists(results), []
    styles = {o.name: _style(o, chosen) for o in results.objectives}
    for c in chosen:
        for o in results.objectives:
            summary, failure = c.measured.get(o.name), c.measured_failures.get(o.name)
            if summary is None and failure is None:
                continue
            style, off = styles[o.name], error(c, o)
            figures.append(
                MeasuredFigure(
                    candidate=c,
                    figure=f"{o.figure} ({style.unit.symbol})",
                    where=o.details,
                    predicted=style.text(c.objectives.get(o.name)),
                    interval=style.range(*c.intervals[o.name]) if o.name in c.intervals else "",
                    measured=style.text(summary.median) if summary else units.DASH,
                    spread=style.range(summary.p10, summary.p90) if summary else "",
                    error=units.DASH if off is None else f"{100 * off:+.1f} %".replace("-", units.MINUS),
                    remark=f"failed: {failure}" if failure else _remark(summary),
                )
            )
    return figures


def lead(results: Results) -> str:
    """How far predictions were off, in the median and at most, and how many lie in their interval."""
    chosen, parts = finalists(results), []
    inside = figures = 0
    for o in results.objectives:
        measured = [c for c in chosen if error(c, o) is not None]
        off = [abs(e) for c in measured if (e := error(c, o)) is not None]
        if not off:
            continue
        bounds = [(c.intervals[o.name], c.measured[o.name].median) for c in measured if o.name in c.intervals]
        inside += sum(low <= value <= high for (low, high), value in bounds)
        figures += len(bounds)
        words = f"{units.percent(median(off))} in {o.label}"
        parts.append(words + (f" (at most {units.percent(max(off))})" if len(off) > 1 else ""))
    if not parts:
        return "No measurement has succeeded." if any(c.measured_failures for c in chosen) else ""
    return (
        f"In the median predictions were off by {'; by '.join(parts)}. {inside} of {figures} measured "
        "figures lie in the predicted interval."
    )


def unmeasured(results: Results) -> list[str]:
    """Which objectives were not measured and why, a sentence for each cause."""
    causes: dict[str, list[str]] = {}
    labels = {o.name: o.label for o in results.objectives}
    for name, cause in results.unmeasured.items():
        causes.setdefault(cause, []).append(labels.get(name, name))
    return [f"Not measured: {', '.join(names)}; {cause}." for cause, names in causes.items()]


def _style(objective: Objective, candidates: Iterable[Candidate]) -> units.Style:
    """One style for predicted and measured, so that their digits compare."""
    values = [c.objectives.get(objective.name) for c in candidates]
    values += [c.measured[objective.name].median for c in candidates if objective.name in c.measured]
    return units.style_for(objective.unit, [value for value in values if value is not None])


def _remark(summary: Summary | None) -> str:
    """What stands against a measurement."""
    if summary is None:
        return ""
    spread = (
        "" if summary.repeat_spread is None else f" (processes {units.percent(summary.repeat_spread)} apart)"
    )
    remarks = [f"not stable{spread}"] if summary.stable is False else []
    remarks += ["other programs ran meanwhile"] if summary.disturbed else []
    return ", ".join(remarks)
