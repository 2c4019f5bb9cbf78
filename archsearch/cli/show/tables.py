"""Tables that every list on the terminal is made of."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def new_table(title: str, *columns: str) -> Table:
    """An empty table; its columns fold, but the first."""
    table = Table(title=escape(title) or None, title_justify="left", show_header=any(columns))
    for index, column in enumerate(columns):
        # Names stay whole, so that they can be copied and searched for.
        table.add_column(column, overflow="fold", no_wrap=index == 0)
    return table


def pairs(entries: dict[str, Any], console: Console) -> None:
    """Names and values."""
    table = new_table("", "", "")
    for key, value in entries.items():
        text = json.dumps(value) if isinstance(value, dict | list) else str(value)
        table.add_row(key, escape(text))
    console.print(table)
