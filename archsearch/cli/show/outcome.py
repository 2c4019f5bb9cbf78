"""What a person sees of a run's outcome: the front with what it may claim, and what each task is worth."""

from rich.console import Console
from rich.markup import escape

from archsearch.campaign.claims import claims
from archsearch.campaign.objectives import QUALITY
from archsearch.campaign.results import Candidate, Results, TaskFacts
from archsearch.cli.show.tables import new_table
from archsearch.reporting import facts, units
from archsearch.reporting.columns import objective_style

NOTHING = units.DASH
SIGNED = units.Style(units.Unit(""), 2, signed=True)


def outcome(results: Results, console: Console) -> None:
    """What a run ends with: the front, and how far to trust its quality."""
    winners(results, console)
    tasks(results, console)


def winners(results: Results, console: Console) -> None:
    """The candidates of the front, best quality first, then the references; what the front may claim; the
    layouts."""
    members = facts.winners(results)
    others = [c for c in facts.references(results) if c.id not in results.front]
    shown = [*members, *others]
    figures = [o.figure for o in results.objectives]
    table = new_table(f"{results.name}: front of {len(members)}, then the references", "layout")
    styles = [objective_style(o, shown) for o in results.objectives]
    for o, style in zip(results.objectives, styles, strict=True):
        heading = o.figure if figures.count(o.figure) == 1 else o.short_label
        table.add_column(escape(units.with_unit(heading, style.unit)), justify="right", overflow="fold")
    after_search = any(c.final is not None for c in members)
    if after_search:
        table.add_column("quality after the search", justify="right", overflow="fold")
    for c in shown:
        row = [named(c)]
        for o, style in zip(results.objectives, styles, strict=True):
            error = c.quality_error if o.metric == QUALITY else None
            row.append(with_error(facts.value(c, o), error, style))
        if after_search:
            row.append(_final(c))
        table.add_row(*map(escape, row), end_section=c is members[-1] if members else False)
    console.print(table)
    costs = "; ".join(o.label for o in results.objectives if o.metric != QUALITY)
    console.print(f"quality at {results.rungs[-1]} steps, in units of the references; {costs}", markup=False)
    for c in members:
        words = claims(c, facts.references(results), results)
        beaten = ", ".join(name for name, word in words.items() if word == "dominates")
        if words:
            claim = f"dominates {beaten}" if beaten else "trades with every reference"
            console.print(f"{named(c)} {claim}", highlight=False, markup=False)
    for c in shown:
        console.print(f"{named(c)}: {c.pattern}", highlight=False, markup=False)


def named(c: Candidate) -> str:
    """The name of a reference, the id of any other candidate: what `export` takes."""
    return c.name if c.origin == "reference" else c.id


def tasks(results: Results, console: Console) -> None:
    """What each task is worth at the last rung, and how the references did."""
    if results.tasks:
        names = list(dict.fromkeys(name for each in results.tasks for name in each.references))
        title = f"score (accuracy) of the references at {results.rungs[-1]} steps; 1 is perfect"
        table = new_table(title, "task", *map(escape, names))
        for each in results.tasks:
            table.add_row(*map(escape, [each.task, *(_reference(each, name) for name in names)]))
        console.print(table)
    for each in results.tasks:
        console.print(f"{each.task}: {_worth(each)}", highlight=False, markup=False)
    for sentence in results.remarks:
        console.print(sentence, highlight=False, markup=False)


def with_error(value: float | None, error: float | None, style: units.Style) -> str:
    """A number with its standard error, where one is known."""
    return style.text(value) if error is None else f"{style.text(value)} ±{error:.2g}"


def _final(c: Candidate) -> str:
    if c.final is None:
        return NOTHING
    if c.final.failure is not None:
        return f"failed: {c.final.failure}"
    if c.final.quality is None:
        return NOTHING
    return with_error(c.final.quality, c.final.quality_error, SIGNED)


def _worth(each: TaskFacts) -> str:
    """In words, what a task is worth."""
    scale = each.scale
    weight = f"weight {each.weight:g}"
    if each.weight != each.asked_weight:
        weight += f" (asked {each.asked_weight:g})"
    parts = [weight]
    if each.share is not None:
        parts.append(f"{each.share:.0%} of the spread of quality")
    if scale.baseline is not None:
        parts.append(f"score 0 is {scale.baseline.words}")
    if scale.noise is not None:
        parts.append(f"a seed moves the score by {scale.noise:.2g}")
    parts.append(f"a unit of quality is {scale.divisor:.2g} ({scale.divided_by})")
    if each.edges:
        parts.append(f"rates at the edge {each.edges}")
    return "; ".join(parts)


def _reference(each: TaskFacts, name: str) -> str:
    reached = each.references.get(name)
    if reached is None:
        return NOTHING
    accuracy = "" if reached.accuracy is None else f" ({reached.accuracy:.3f})"
    return f"{reached.score:.3f}{accuracy}"
