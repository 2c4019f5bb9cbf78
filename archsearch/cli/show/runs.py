"""What a person sees of a run: where it stands, and the display while it goes on."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from archsearch.campaign.remarks import NothingFoundError
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
    remarks = [*standing["deeper_references"]]
    remarks += [f"journal: {damage}" for damage in standing["damaged_journal_lines"]]
    for remark in remarks:
        console.print(remark, highlight=False, markup=False)


@contextmanager
def watching(path: Path) -> Iterator[Display]:
    """The display of a run; whatever ends it before its end, say how to go on."""
    display = Display(error_console)
    try:
        yield display
    except BaseException as error:
        display.close()
        if (path / "campaign.yaml").exists() and not isinstance(error, InvalidInput | NothingFoundError):
            say(f"nothing is lost; archsearch resume {shlex.quote(str(path))} goes on from here")
        raise
    finally:
        display.close()
