"""What a person sees while a campaign runs: counts, front, time left."""

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from archsearch.campaign.forecast import seconds_left, share_done

if TYPE_CHECKING:
    from archsearch.launch import Look

TABLE_EVERY_S = 0.25
"""Seconds between two tables on a terminal."""
LINE_EVERY_S = 15.0
"""Seconds between two lines elsewhere."""


@dataclass
class Display:
    """A live table on a terminal, a line now and then elsewhere. Call it with each look at the run."""

    console: Console
    _live: Live | None = field(default=None, init=False)
    _last: float = field(default=-math.inf, init=False)
    """When something was last drawn, in seconds of the monotonic clock."""

    def __call__(self, look: "Look") -> None:
        """Show a look at the run, unless the last one is too fresh."""
        now = time.monotonic()
        if now - self._last < (TABLE_EVERY_S if self.console.is_terminal else LINE_EVERY_S):
            return
        self._last = now
        if not self.console.is_terminal:
            self.console.print(_line(look), highlight=False, soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(_table(look), refresh=True)

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def duration(seconds: float) -> str:
    """`3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _facts(look: "Look") -> dict[str, str]:
    """What is shown, by its heading."""
    ledger, standing = look.loaded.ledger, look.loaded.standing
    left = seconds_left(standing, look.workers)
    facts = {
        **{status: str(count) for status, count in standing.counts.items()},
        "cached trials": str(look.evaluator.cached),
        "in flight": str(look.evaluator.in_flight),
        "front": str(standing.front_size),
        "hypervolume": f"{standing.hypervolume:.3f}",
        "elapsed": duration(time.time() - look.started),
        "left": "about " + duration(left) if left is not None else "not known yet",
    }
    if (finalists := ledger.finalists) is not None:
        facts["finalists"] = f"{len(ledger.measurement_seconds)} of {finalists.measurements} measured"
    return facts


def _table(look: "Look") -> RenderableType:
    facts = _facts(look)
    table = Table(title=escape(f"archsearch: {look.loaded.campaign.name}"), title_justify="left")
    for name in facts:
        table.add_column(name, justify="right")
    table.add_row(*facts.values())
    share = share_done(look.loaded.standing)
    return Group(table, ProgressBar(total=1.0, completed=share, width=60))


def _line(look: "Look") -> str:
    facts = ", ".join(f"{name} {value}" for name, value in _facts(look).items())
    return f"{share_done(look.loaded.standing):4.0%}  {facts}"
