"""The page: what the template needs to know, in words and formatted numbers."""

import json
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, Offspring, Results
from archsearch.reporting import facts, measured, units
from archsearch.reporting.charts.axes import with_unit
from archsearch.reporting.charts.front import Picture
from archsearch.reporting.charts.layouts import objective_style
from archsearch.reporting.charts.palette import COLOURS, KINDS
from archsearch.reporting.charts.strips import cells, stored
from archsearch.reporting.charts.svg import svg

_FIGURES = {
    "peak_flops_per_s": ("peak", "FLOP/s"),
    "matvec_flops_per_s": ("matrix-vector rate", "FLOP/s"),
    "dram_bandwidth_bytes_per_s": ("memory bandwidth", "B/s"),
    "memory_bytes": ("memory", "bytes"),
    "cache_bytes": ("last-level cache", "bytes"),
    "power_w": ("power", "W"),
    "overhead_s": ("overhead of an operator", "s"),
}
_MOST_IDS = 12


@dataclass(frozen=True)
class Cell:
    """One number of a table."""

    text: str
    note: str = ""
    sort: float | None = None


@dataclass(frozen=True)
class Column:
    """One column of numbers: what stands above it, and how a candidate fills it."""

    heading: str
    note: str
    cells: dict[str, Cell]
    """By candidate id."""


def render(results: Results, pictures: list[Picture], files: list[str]) -> str:
    """The HTML of the page; it needs nothing from outside. `files` lie beside it and are linked."""
    environment = Environment(
        loader=PackageLoader("archsearch.reporting", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    winners, references = facts.winners(results), facts.references(results)
    shown = winners + [c for c in references if c not in winners]
    charts = [(picture, svg(picture.drawing)) for picture in pictures if picture.slug != "patterns"]
    return environment.get_template("page.html.j2").render(
        results=results,
        lead=lead(results),
        headline=headline(results),
        margins=margins(results),
        shares=facts.worker_shares(results),
        charts=charts,
        winners=winners,
        references=references,
        comparisons={c.id: comparison(c, winners, results) for c in references},
        columns=columns(shown, results),
        strips={c.id: cells(c) for c in shown},
        stored=stored,
        commands={c.id: export_command(results.name, c.id) for c in winners},
        finalists=measured.rows(results),
        finalists_lead=measured.lead(results),
        unmeasured=measured.unmeasured(results),
        failures=facts.failure_groups(results),
        tasks=tasks(results),
        devices={name: device_rows(profile) for name, profile in results.devices.items()},
        campaign=yaml.safe_dump(_plain(results.campaign), sort_keys=False, allow_unicode=True),
        environment=list(_flat(_plain(results.environment))),
        files=files,
        colours=COLOURS,
        kinds=KINDS,
        duration=units.duration,
        percent=units.percent,
        most_ids=_MOST_IDS,
    )


def lead(results: Results) -> str:
    """What came out, in a sentence."""
    evaluated = sum(c.status == "evaluated" for c in results.candidates)
    if not results.front:
        return (
            f"{evaluated} layouts were evaluated; none has finished the last rung, so there is no front yet."
        )
    names = [objective.short_label for objective in results.objectives]
    beaten = [c.name for c in facts.references(results) if comparison(c, facts.winners(results), results)]
    alone = len(results.front) == 1
    tail = f" {'It dominates' if alone else 'Some of them dominate'} {_listed(beaten)}." if beaten else ""
    count = "1 is" if alone else f"{len(results.front)} are"
    return f"Of {evaluated} layouts evaluated, {count} not dominated on {_listed(names)}.{tail}"


def margins(results: Results) -> str:
    """How far apart candidates are told apart, in a sentence; empty where any difference counts."""
    apart = [
        f"{units.percent(math.expm1(o.margin))} in {o.short_label}" for o in results.objectives if o.margin
    ]
    if not apart:
        return ""
    return (
        "Predictions err, by what whole models measured on the device have shown: two candidates are told "
        f"apart only where they differ by at least {_listed(list(dict.fromkeys(apart)))}; closer ones count "
        "as neither better nor worse."
    )


def headline(results: Results) -> list[tuple[str, str, str]]:
    """Number, what it counts, and a remark."""
    status = [c.status for c in results.candidates]
    reached = [
        f"{sum(c.rung >= rung for c in results.candidates)} at {steps} steps"
        for rung, steps in enumerate(results.rungs)
    ]
    failed_trials = sum(t.status == "failed" for t in results.trials)
    last = results.history[-1] if results.history else None
    return [
        (str(len(results.front)), "on the front", _references_on(results)),
        (str(status.count("evaluated")), "evaluated", ", ".join(reached)),
        (str(status.count("failed")), "failed", "while training" if "failed" in status else ""),
        (
            str(status.count("rejected")),
            "rejected",
            "before training" if "rejected" in status else "",
        ),
        (str(len(results.trials)), "trials", f"{results.cached} more cached, {failed_trials} failed"),
        (f"{last.hypervolume:.4g}" if last else units.DASH, "hypervolume", "higher is better"),
        (str(results.offspring.made), "offspring", _repaired(results.offspring)),
        (units.duration(results.seconds), "wall time", ""),
    ]


def _repaired(offspring: Offspring) -> str:
    """What was invalid before repair, and the genes that repair redrew, by cause."""
    genes = ", ".join(f"{number} for {cause}" for cause, number in offspring.redrawn.items())
    share = f"{offspring.invalid_share:.0%} invalid before repair"
    return f"{share}; genes redrawn: {genes}" if genes else share


def columns(candidates: list[Candidate], results: Results) -> list[Column]:
    """Objectives with their intervals, signals and parameters of the candidates."""
    found = []
    for objective in results.objectives:
        style = objective_style(objective, candidates)
        filled = {}
        for c in candidates:
            value, interval = facts.value(c, objective), c.intervals.get(objective.name)
            filled[c.id] = Cell(style.text(value), style.range(*interval) if interval else "", value)
        notes = [note for note in (objective.details, _calibration(objective, results)) if note]
        found.append(Column(with_unit(objective.figure, style.unit), ", ".join(notes), filled))
    for name in facts.signal_names(results):
        signals = {c.id: c.signals.get(name) for c in candidates}
        style = units.Style(units.Unit(""), 3)
        task = name.removeprefix("score[").removesuffix("]")
        found.append(Column(task, "score", {id: Cell(style.text(v), "", v) for id, v in signals.items()}))
    for scale in ("proxy", "target"):
        sizes = {c.id: c.parameters.get(scale) for c in candidates}
        style = units.style_for("", [s for s in sizes.values() if s], digits=4)
        heading = with_unit("parameters", style.unit)
        found.append(
            Column(heading, f"at the {scale}", {id: Cell(style.text(v), "", v) for id, v in sizes.items()})
        )
    return found


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


def export_command(run: str, id: str) -> str:
    """What a user types to export a winner."""
    source, folder = f"runs/{run}#{id}", f"{run}-{id}"
    if shlex.quote(run) != run:
        source, folder = shlex.quote(source), shlex.quote(folder)
    return f"archsearch export {source} --format flax --out {folder}"


def tasks(results: Results) -> list[tuple[str, str, str, str]]:
    """Task, weight, mean and standard deviation of the references' scores at the last rung."""
    weights = {str(t.get("task")): t.get("weight", 1.0) for t in results.campaign.get("tasks") or ()}
    done = [c for c in facts.references(results) if facts.at_last_rung(c, results)]
    rows = []
    for name in facts.signal_names(results):
        task = name.removeprefix("score[").removesuffix("]")
        scores = [c.signals[name] for c in done if name in c.signals]
        mean = sum(scores) / len(scores) if scores else None
        spread = None if mean is None else (sum((s - mean) ** 2 for s in scores) / len(scores)) ** 0.5
        style = units.Style(units.Unit(""), 3)
        rows.append((task, f"{weights.get(task, units.DASH)}", style.text(mean), style.text(spread)))
    return rows


def device_rows(profile: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Figure, value and source of each number of a device file."""
    rows = []
    for key, (words, unit) in _FIGURES.items():
        entry = profile.get(key)
        if not isinstance(entry, dict):
            continue
        for dtype, figure in [("", entry)] if "value" in entry else entry.items():
            number = float(figure["value"])
            text = units.rate(number, unit) if "/" in unit else units.quantity(number, unit)
            rows.append((f"{words}, {dtype}" if dtype else words, text, str(figure.get("source", ""))))
    return rows


def _difference(winner: Candidate, reference: Candidate, objective: Objective) -> str:
    a, b = winner.objectives[objective.name], reference.objectives[objective.name]
    what = objective.figure
    if objective.unit and b > 0:
        return f"{what} {100 * (a - b) / b:+.0f} %".replace("-", units.MINUS)
    style = objective_style(objective, [winner, reference])
    return f"{what} {units.Style(style.unit, style.decimals, signed=True).text(a - b)}"


def _calibration(objective: Objective, results: Results) -> str:
    """How the device of a predicted cost is known, such as `spec-only` or `measured`."""
    profile = None if objective.device is None else results.devices.get(objective.device)
    if profile is None:
        return "predicted" if objective.unit else ""
    return f"{profile.get('calibration', 'unknown')} profile"


def _listed(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _references_on(results: Results) -> str:
    names = [c.name for c in facts.winners(results) if c.origin == "reference"]
    return f"with {', '.join(names)}" if names else ""


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list):
        yield prefix, ", ".join(str(entry) for entry in value)
    else:
        yield prefix, str(value)
