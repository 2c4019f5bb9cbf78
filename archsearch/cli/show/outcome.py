"""What a person sees of a run's outcome: the front with what it may claim, and what each task is worth."""

from rich.console import Console
from rich.markup import escape

from archsearch.campaign.claims import claims
from archsearch.campaign.objectives import QUALITY
from archsearch.campaign.results import Candidate, Results, TaskFacts
from archsearch.cli.show.tables import new_table

NOTHING = "\u2013"


def outcome(results: Results, console: Console) -> None:
    """What a run ends with: the front, and how far to trust its quality."""
    winners(results, console)
    tasks(results, console)


def winners(results: Results, console: Console) -> None:
    """The candidates of the front, best quality first, and what they are to the references."""
    table = new_table(f"{results.name}: front of {len(results.front)}", "id", "name", "layout")
    for o in results.objectives:
        table.add_column(escape(f"{o.name} ({o.direction})"), justify="right", overflow="fold")
    members = [results.candidate(identifier) for identifier in results.front]
    after_search = any(c.final is not None for c in members)
    if after_search:
        table.add_column("quality after the search (test)", justify="right", overflow="fold")
    table.add_column("dominates", overflow="fold")
    references = [c for c in results.candidates if c.origin == "reference"]
    for c in members:
        row = [c.id, c.name if c.origin == "reference" else "", c.pattern]
        for o in results.objectives:
            error = c.quality_error if o.metric == QUALITY else None
            row.append(with_error(c.objectives[o.name], error))
        if after_search:
            row.append(_final(c))
        words = claims(c, references, results)
        beaten = [name for name, word in words.items() if word == "dominates"]
        row.append(", ".join(beaten) or ("none: trades" if words else NOTHING))
        table.add_row(*map(escape, row))
    console.print(table)


def tasks(results: Results, console: Console) -> None:
    """What each task is worth at the last rung, and how the references did."""
    if facts := results.tasks:
        table = new_table(f"tasks at {results.rungs[-1]} steps", "task", "weight", "baseline (score 0)")
        for heading in ("reference mean", "unit", "noise", "share of spread", "rates at the edge"):
            table.add_column(heading, justify="right", overflow="fold")
        names = list(dict.fromkeys(name for each in facts for name in each.references))
        for name in names:
            table.add_column(escape(name), justify="right", overflow="fold")
        for each in facts:
            scores = [_reference(each, name) for name in names]
            table.add_row(*map(escape, [*_task(each), *scores]))
        console.print(table)
    for sentence in results.remarks:
        console.print(sentence, highlight=False, markup=False)


def with_error(value: float, error: float | None) -> str:
    """A number with its standard error, where one is known."""
    return f"{value:.4g}" if error is None else f"{value:.4g} ±{error:.2g}"


def _final(c: Candidate) -> str:
    if c.final is None:
        return NOTHING
    if c.final.failure is not None:
        return f"failed: {c.final.failure}"
    if c.final.quality is None:
        return NOTHING
    change = "" if c.final_change is None else f" ({c.final_change:+.2g})"
    return with_error(c.final.quality, c.final.quality_error) + change


def _task(facts: TaskFacts) -> list[str]:
    scale = facts.scale
    weight = f"{facts.weight:g}"
    if facts.weight != facts.asked_weight:
        weight += f" (asked {facts.asked_weight:g})"
    return [
        facts.task,
        weight,
        NOTHING if scale.baseline is None else scale.baseline.words,
        f"{scale.mean:.3f}",
        f"{scale.divisor:.2g} ({scale.divided_by})",
        NOTHING if scale.noise is None else f"{scale.noise:.2g}",
        NOTHING if facts.share is None else f"{facts.share:.0%}",
        facts.edges or NOTHING,
    ]


def _reference(facts: TaskFacts, name: str) -> str:
    reached = facts.references.get(name)
    if reached is None:
        return NOTHING
    accuracy = "" if reached.accuracy is None else f" (accuracy {reached.accuracy:.3f})"
    return f"{reached.score:.3f}{accuracy}"
