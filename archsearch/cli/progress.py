"""What a person sees while a campaign runs: counts, front, time left."""

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from archsearch.campaign.ledger import Ledger
from archsearch.campaign.results import Results

if TYPE_CHECKING:
    from archsearch.launch import Look

PLAIN_EVERY_S = 15.0
"""Seconds between two lines where the output is no terminal."""


def expected_jobs(ledger: Ledger) -> list[int]:
    """How many jobs a campaign has at each rung if nothing fails and the space is not exhausted."""
    search, budget = ledger.campaign.search, ledger.campaign.budget
    sizes = [search.population] + [search.population - search.elites] * (search.generations - 1)
    references = len(ledger.campaign.references)
    rungs = range(len(budget.rungs))
    return [references + sum(-int(-(budget.promote**rung) * size // 1) for size in sizes) for rung in rungs]


def seconds_left(ledger: Ledger, workers: int) -> float | None:
    """Time left, from the mean duration of the jobs so far; None before the first. Of the finalists, once the
    search is over; before, nobody knows how long one takes."""
    if ledger.finalists is not None:
        done = ledger.measurement_seconds
        open_ = max(0, ledger.finalists.measurements - len(done))
        if open_ and not done:
            return None
        return open_ * statistics.fmean(done) if open_ else 0.0
    steps, rates = ledger.campaign.budget.rungs, len(ledger.campaign.budget.learning_rates)
    durations: list[list[float]] = [[] for _ in steps]
    for rung, seconds in ledger.job_seconds:
        durations[rung].append(seconds)
    if not durations[0]:
        return None
    first = statistics.fmean(durations[0])
    left = 0.0
    for rung, expected in enumerate(expected_jobs(ledger)):
        # A later rung trains one learning rate further.
        guess = first * (steps[rung] - steps[rung - 1]) / (steps[0] * rates) if rung else first
        mean = statistics.fmean(durations[rung]) if durations[rung] else guess
        left += max(0, expected - len(durations[rung])) * mean
    return left / workers


@dataclass
class Display:
    """A live table on a terminal, a line now and then elsewhere. Call it with each look at the run."""

    console: Console
    _live: Live | None = field(default=None, init=False)
    _last_line: float = field(default=0.0, init=False)

    def __call__(self, session: "Look") -> None:
        """Show a look at the run."""
        if not self.console.is_terminal:
            now = time.monotonic()
            if now - self._last_line >= PLAIN_EVERY_S:
                self._last_line = now
                self.console.print(_line(session), highlight=False, soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        self._live.update(_table(session))

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def counts(results: Results) -> dict[str, int]:
    """Evaluated (references included), failed, rejected."""
    statuses = [candidate.status for candidate in results.candidates]
    return {status: statuses.count(status) for status in ("evaluated", "failed", "rejected")}


def duration(seconds: float) -> str:
    """`3 min 20 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _facts(session: "Look") -> tuple[dict[str, str], float]:
    """What is shown, and the share done."""
    results, ledger = session.loaded.results(), session.loaded.ledger
    left = seconds_left(ledger, session.workers)
    elapsed = time.time() - session.started
    expected, done = sum(expected_jobs(ledger)), len(ledger.job_seconds)
    volume = results.history[-1].hypervolume if results.history else 0.0
    found = counts(results)
    facts = {
        "evaluated": str(found["evaluated"]),
        "failed": str(found["failed"]),
        "rejected": str(found["rejected"]),
        "cached trials": str(session.evaluator.cached),
        "in flight": str(session.evaluator.in_flight),
        "front": str(len(results.front)),
        "hypervolume": f"{volume:.3f}",
        "elapsed": duration(elapsed),
        "left": "about " + duration(left) if left is not None else "not known yet",
    }
    if (finalists := ledger.finalists) is not None:
        done, expected = done + len(ledger.measurement_seconds), expected + finalists.measurements
        facts["finalists"] = f"{len(ledger.measurement_seconds)} of {finalists.measurements} measured"
    return facts, min(1.0, done / expected)


def _table(session: "Look") -> RenderableType:
    facts, share = _facts(session)
    table = Table(title=escape(f"archsearch: {session.loaded.campaign.name}"), title_justify="left")
    for name in facts:
        table.add_column(name, justify="right")
    table.add_row(*facts.values())
    return Group(table, ProgressBar(total=1.0, completed=share, width=60))


def _line(session: "Look") -> str:
    facts, share = _facts(session)
    return f"{share:4.0%}  " + ", ".join(f"{name} {value}" for name, value in facts.items())
