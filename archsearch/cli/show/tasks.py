"""What `archsearch tasks` prints: the tasks, or what trivial answers get on one."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from rich.console import Console
from rich.markup import escape

from archsearch.cli.show.tables import new_table
from proxies.tasks import TASKS, Task, make_task

BATCHES, ROWS = 64, 16
"""Test batches that trivial answers are measured on, and sequences in each; a trial is judged on fewer."""


def tasks(name: str | None, length: int, settings: dict[str, Any], console: Console) -> None:
    """All tasks, or one with the trivial answers that its scores are measured from."""
    if name is None:
        table = new_table("tasks", "task", "asks for", "settings")
        for known, kind in TASKS.items():
            table.add_row(known, escape(kind.asks), escape(", ".join(_settings(kind))))
        console.print(table)
        return
    task = make_task(name, length, settings)
    batches = [task.batch("test", 0, index, ROWS) for index in range(BATCHES)]
    console.print(f"{name}: asks for {task.asks}\nsettings: {', '.join(_settings(type(task)))}", markup=False)
    table = new_table(f"trivial answers at length {length}", "answer", "loss (nats a token)", "accuracy")
    for baseline in sorted(task.baselines(batches), key=lambda each: each.loss):
        table.add_row(baseline.name, f"{baseline.loss:.4f}", f"{baseline.accuracy:.4f}")
    console.print(table)
    console.print("A score is 1 - loss / the least of these losses: 0 at the best of them, 1 at perfect.")


def _settings(kind: type[Task]) -> Iterator[str]:
    for field in fields(kind):
        if field.name != "length":
            yield field.name if field.default in (None, MISSING) else f"{field.name}={field.default}"
