"""What a person sees of a run: where it stands, its front, and the display while it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from archsearch.campaign.results import Results
from archsearch.cli.progress import Display, duration
from archsearch.cli.show.tables import new_table
from archsearch.cli.terminal import error_console, say
from genomes import InvalidInput


def status(standing: dict[str, Any], console: Console) -> None:
    """Where a run stands."""
    shares = ", ".join(f"{phase} {share:.0%}" for phase, share in standing["worker_time"].items())
    stands = "finished" if standing["finished"] else "running"
    if not standing["finished"] and not standing["running"]:
        stands = "not finished, not running"
    table = new_table(f"{standing['name']}: {stands}", "", "")
    for key in ("evaluated", "failed", "rejected", "cached", "in_flight"):
        table.add_row(key.replace("_", " "), str(standing[key]))
    table.add_row("front", f"{len(standing['front'])}: {' '.join(standing['front'])}")
    table.add_row("hypervolume", f"{standing['hypervolume']:.4f}")
    table.add_row("wall time", duration(standing["seconds"]))
    table.add_row("worker time", shares)
    if (measured := standing["measured"])["in_all"]:
        table.add_row(
            "finalists measured", f"{measured['done']} of {measured['in_all']}, {measured['failed']} failed"
        )
    made, redrawn = standing["offspring"], standing["offspring"]["redrawn"]
    table.add_row("offspring", f"{made['made']}, {made['invalid_share']:.0%} invalid before repair")
    if redrawn:
        causes = ", ".join(f"{cause} {genes}" for cause, genes in redrawn.items())
        table.add_row("genes redrawn by repair", causes)
    console.print(table)
    for damage in standing["damaged_journal_lines"]:
        console.print(f"journal: {damage}", highlight=False, markup=False)


def winners(results: Results, console: Console) -> None:
    """The candidates of the front, best quality first."""
    table = new_table(f"{results.name}: front of {len(results.front)}", "id", "name", "layout")
    for o in results.objectives:
        table.add_column(escape(f"{o.name} ({o.direction})"), justify="right", overflow="fold")
    for identifier in results.front:
        c = results.candidate(identifier)
        values = [f"{c.objectives[o.name]:.4g}" for o in results.objectives]
        table.add_row(c.id, c.name if c.origin == "reference" else "", c.pattern, *values)
    console.print(table)


@contextmanager
def watching(path: Path) -> Iterator[Display]:
    """The display of a run; whatever ends it, say how to go on."""
    display = Display(error_console)
    try:
        yield display
    except BaseException as error:
        display.close()
        if (path / "campaign.yaml").exists() and not isinstance(error, InvalidInput):
            say(f"nothing is lost; archsearch resume {path} goes on from here")
        raise
    finally:
        display.close()
