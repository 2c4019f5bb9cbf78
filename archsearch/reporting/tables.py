"""The run as CSV files (RFC 4180): winners, candidates, trials. Numbers in full precision, in SI units."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from archsearch.campaign.results import Candidate, FinalTraining, Results, Trial
from archsearch.reporting import facts

_SCALES = ("proxy", "target")
_MEASURES = ("score", "loss", "accuracy", "metric", "validation_score", "validation_loss")
_BASELINE = ("baseline", "baseline_loss", "baseline_accuracy", "validation_baseline_loss")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets compute: an apostrophe before it keeps it a text."""

Value = str | int | float | bool | None


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write `front.csv`, `candidates.csv` and `trials.csv`; returns their paths."""
    tables = {
        "front.csv": front_rows(results),
        "candidates.csv": candidate_rows(results),
        "trials.csv": trial_rows(results),
    }
    for name, rows in tables.items():
        _write(folder / name, rows)
    return [folder / name for name in tables]


def front_rows(results: Results) -> list[list[Value]]:
    """A header, then one row a winner, best quality first."""
    scores = facts.score_names(results)
    stored = facts.stored_in(results)
    header: list[Value] = ["id", "fingerprint", "name", "pattern", *stored]
    header += [*(o.name for o in results.objectives), *scores, *(f"parameters[{s}]" for s in _SCALES)]
    measured = _measured_names(results)
    header += [*_measured_header(measured), *_judged_header(results)]
    rows: list[list[Value]] = [header]
    for candidate in facts.winners(results):
        row: list[Value] = [candidate.id, candidate.fingerprint, candidate.name, candidate.pattern]
        row += [candidate.stored.get(what) for what in stored]
        row += [*_values(candidate, results), *_scores(candidate, scores), *_sizes(candidate)]
        rows.append([*row, *_measured(candidate, measured), *_judged(candidate, results)])
    return rows


def candidate_rows(results: Results) -> list[list[Value]]:
    """A header, then one row a candidate in the order of judgement, with intervals of predicted costs."""
    scores = facts.score_names(results)
    priced = [o.name for o in results.objectives if any(o.name in c.intervals for c in results.candidates)]
    header: list[Value] = ["id", "fingerprint", "name", "origin", "generation", "status", "cause", "rung"]
    stored = facts.stored_in(results)
    header += ["on_front", "genome", "pattern", *stored, *(o.name for o in results.objectives)]
    header += [f"{name}.{end}" for name in priced for end in ("low", "high")]
    measured = _measured_names(results)
    header += [*scores, *(f"parameters[{scale}]" for scale in _SCALES), *_measured_header(measured)]
    header += _judged_header(results)
    breaking = [c for c in results.candidates if c.breaks is not None]
    header += ["breaks"] if breaking else []
    rows: list[list[Value]] = [header]
    for c in results.candidates:
        row: list[Value] = [c.id, c.fingerprint, c.name, c.origin, c.generation, c.status, c.cause, c.rung]
        row += [c.id in results.front, c.genome, c.pattern]
        row += [*(c.stored.get(what) for what in stored), *_values(c, results)]
        for name in priced:
            row += c.intervals.get(name, (None, None))
        row += [*_scores(c, scores), *_sizes(c), *_measured(c, measured), *_judged(c, results)]
        rows.append([*row, *([c.breaks] if breaking else [])])
    return rows


def trial_rows(results: Results) -> list[list[Value]]:
    """A header, then one row a trial; seconds stand in a column for each phase."""
    phases = _phases(results.trials)
    header: list[Value] = ["id", "candidate", "task", "rung", "steps", "learning_rate", "seed", "status"]
    header += [
        "chosen",
        *_MEASURES,
        *_BASELINE,
        *(f"seconds[{phase}]" for phase in phases),
        "cause",
    ]
    rows: list[list[Value]] = [header]
    for t in results.trials:
        row: list[Value] = [t.id, t.candidate, t.task, t.rung, t.steps, t.learning_rate, t.seed, t.status]
        row += [t.chosen, *(getattr(t.result, measure) for measure in (*_MEASURES, *_BASELINE))]
        rows.append([*row, *(t.result.seconds.get(phase) for phase in phases), t.result.cause])
    return rows


def _values(candidate: Candidate, results: Results) -> list[Value]:
    return [candidate.objectives.get(objective.name) for objective in results.objectives]


def _scores(candidate: Candidate, names: Sequence[str]) -> list[Value]:
    return [candidate.signals.get(name) for name in names]


def _sizes(candidate: Candidate) -> list[Value]:
    return [candidate.parameters.get(scale) for scale in _SCALES]


def _measured_names(results: Results) -> list[str]:
    """Objectives that some candidate was measured on."""
    return [o.name for o in results.objectives if any(o.name in c.measured for c in results.candidates)]


def _measured_header(names: Sequence[str]) -> list[Value]:
    return [f"measured_{name}{end}" for name in names for end in ("", ".p10", ".p90")]


def _measured(candidate: Candidate, names: Sequence[str]) -> list[Value]:
    figures: list[Value] = []
    for name in names:
        summary = candidate.measured.get(name)
        figures += (summary.median, summary.p10, summary.p90) if summary else (None, None, None)
    return figures


def _judged_header(results: Results) -> list[Value]:
    """Errors of qualities, and what the training after the search says; empty where neither is known."""
    header: list[Value] = []
    if any(c.quality_error is not None for c in results.candidates):
        header.append("quality.error")
    if facts.trained_after_search(results.candidates):
        header += ["final_quality", "final_quality.error", "final_quality.change"]
        header += [f"final_{name}{end}" for name in facts.score_names(results) for end in ("", ".spread")]
        header.append("final_failure")
    return header


def _judged(candidate: Candidate, results: Results) -> list[Value]:
    figures: list[Value] = []
    if any(c.quality_error is not None for c in results.candidates):
        figures.append(candidate.quality_error)
    if facts.trained_after_search(results.candidates):
        final = candidate.final or FinalTraining()
        figures += [final.quality, final.quality_error, candidate.final_change]
        for name in facts.score_names(results):
            task = facts.task_of(name)
            figures += [final.scores.get(task), final.spreads.get(task)]
        figures.append(final.failure)
    return figures


def _phases(trials: Iterable[Trial]) -> list[str]:
    recorded = {phase for trial in trials for phase in trial.result.seconds}
    return [phase for phase in facts.PHASES if phase in recorded] + sorted(recorded - set(facts.PHASES))


def _write(path: Path, rows: Iterable[Sequence[Value]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_text(value) for value in row] for row in rows)


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case bool():
            return "true" if value else "false"
        case float():
            return repr(float(value))
        case _:
            return str(value)
