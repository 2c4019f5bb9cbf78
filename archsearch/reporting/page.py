"""The page: what the template needs to know, in words and formatted numbers."""

import json
import math
import shlex
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from archsearch.campaign.claims import STANDARD_ERRORS
from archsearch.campaign.objectives import QUALITY
from archsearch.campaign.results import Candidate, Offspring, Results
from archsearch.reporting import facts, measured, units
from archsearch.reporting.charts.drawing import Picture
from archsearch.reporting.charts.palette import COLOURS, KINDS
from archsearch.reporting.charts.strips import cells, stored
from archsearch.reporting.charts.svg import svg
from archsearch.reporting.columns import columns
from archsearch.reporting.devices import device_rows
from archsearch.reporting.references import compare, task_rows

_MOST_IDS = 12
_MOST_EARLY = 200


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
        phases=facts.phase_times(results),
        charts=charts,
        winners=winners,
        references=references,
        comparisons={c.id: compare(c, winners, results) for c in references},
        columns=columns(shown, results),
        strips={c.id: cells(c) for c in shown},
        stored=stored,
        commands={c.id: export_command(_directory(results), c.id) for c in winners},
        stretched={c.id: results.stretched(c) for c in winners},
        finalists=measured.rows(results),
        finalists_lead=measured.lead(results),
        unmeasured=measured.unmeasured(results),
        failures=facts.failure_groups(results),
        resume=resume_command(results),
        tasks=task_rows(results),
        early=facts.stopped_early(results),
        qualities={c.id: _quality(c) for c in results.candidates},
        after_search=after_search(results),
        errors=STANDARD_ERRORS,
        above_baseline=all(each.scale.baseline is not None for each in results.tasks),
        most_early=_MOST_EARLY,
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
    winners = facts.winners(results)
    beaten = [c.name for c in facts.references(results) if compare(c, winners, results).dominated_by]
    alone = len(results.front) == 1
    tail = f" {'It dominates' if alone else 'Some of them dominate'} {_listed(beaten)}." if beaten else ""
    if not beaten and any(compare(c, winners, results).trades for c in facts.references(results)):
        tail = " No reference is dominated beyond noise: the front trades with them."
    count = "1 is" if alone else f"{len(results.front)} are"
    return f"Of {evaluated} layouts evaluated, {count} not dominated on {_listed(names)}.{tail}"


def after_search(results: Results) -> str:
    """How the front fared with fresh seeds on test, in a sentence; empty where it was not trained again."""
    trained = facts.trained_after_search(facts.winners(results))
    changes = [change for c in trained if (change := c.final_change) is not None]
    if not trained:
        return ""
    failed = sum(c.final is not None and c.final.failure is not None for c in trained)
    tail = f" {failed} of them failed." if failed else ""
    how = f"The front was trained again with {facts.seeds(trained)} fresh seeds and judged on test"
    if not changes:
        return f"{how}.{tail}"
    mean, style = fmean(changes), units.Style(units.Unit(""), 2, signed=True)
    best = next(c for c in trained if c.final_change is not None)
    assert best.final is not None
    return (
        f"{how}: quality changed by {style.text(mean)} in the mean, that of {best.name} from "
        f"{style.text(best.objectives[QUALITY])} to {style.text(best.final.quality)}. A fall is the winner's "
        f"curse: the search picks layouts whose seeds were lucky.{tail}"
    )


def margins(results: Results) -> str:
    """From which difference on candidates count as different, in a sentence; empty where any does."""
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


def _quality(candidate: Candidate) -> str:
    return units.Style(units.Unit(""), 2, signed=True).text(candidate.objectives.get(QUALITY))


def _repaired(offspring: Offspring) -> str:
    """What was invalid before repair, and the genes that repair redrew, by cause."""
    genes = ", ".join(f"{number} for {cause}" for cause, number in offspring.redrawn.items())
    share = f"{offspring.invalid_share:.0%} invalid before repair"
    return f"{share}; genes redrawn: {genes}" if genes else share


def export_command(directory: str, id: str) -> str:
    """What a user types to export a winner."""
    source, folder = shlex.quote(f"{directory}#{id}"), shlex.quote(f"{Path(directory).name}-{id}")
    return f"archsearch export {source} --format flax --out {folder}"


def resume_command(results: Results) -> str:
    """What a user types to go on with the run."""
    return f"archsearch resume {shlex.quote(_directory(results))}"


def _directory(results: Results) -> str:
    return results.directory or f"runs/{results.name}"


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
