"""What `archsearch operators` prints."""

import inspect
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from archsearch.cli.show.tables import new_table
from archsearch.evaluation.conformance import PROPERTIES, SMALL, check, examples
from genomes import Difference, Operator, load_architecture
from genomes.layout_text import show_value
from genomes.operators import operator_class, operator_table


def operators(name: str | None, console: Console) -> None:
    """All operators, or one in full. Raises `InvalidInput` on an unknown one."""
    if name is not None:
        _operator(operator_class(name), console)
        return
    table = new_table("operators", "operator", "kind", "settings in a layout", "blocks can share")
    for each, example in examples().items():
        operator = type(example)
        settings = ", ".join(f"{key}={show_value(s.default)}" for key, s in operator.settings.items())
        kind = "mixer" if operator is Difference else example.kind
        table.add_row(each, kind, settings or "none", ", ".join(example.shareable) or "nothing")
    console.print(table)


def _operator(operator: type[Operator], console: Console) -> None:
    console.print(
        f"{operator.name}: {inspect.cleandoc(operator.__doc__ or '')}\n", highlight=False, markup=False
    )
    if operator.settings:
        table = new_table("settings in a layout", "setting", "default", "legal")
        for index, (name, setting) in enumerate(operator.settings.items()):
            positional = " (may stand first, without its name)" if not index and operator.positional else ""
            table.add_row(name, show_value(setting.default), setting.legal + positional)
        console.print(table)
    table = new_table("fields in an architecture file", "field", "default", "meaning")
    for name, field in operator.model_fields.items():
        default = "" if field.is_required() else "none" if name == "shares" else str(field.default)
        table.add_row(name, default, escape(field.description or ""))
    console.print(table)
    console.print(f"module: {operator.module}", highlight=False, soft_wrap=True)


def conformance(source: str | None, console: Console) -> bool:
    """The table of operators and properties, row by row; true where all hold.

    Raises `InvalidInput` on an unknown operator or an unreadable file.
    """
    blocks = examples(source)
    in_file = source is not None and source not in operator_table()
    width = load_architecture(source).width if in_file and source is not None else SMALL.width
    problems: list[str] = []

    def rows() -> Iterator[tuple[str, ...]]:
        for name, verdicts in zip(blocks, check(list(blocks.values()), width), strict=True):
            problems.extend(f"{name}: {each}: {words}" for each, words in verdicts.items() if words)
            yield name, *("[red]no[/red]" if words else "ok" for words in verdicts.values())

    table = new_table(f"conformance at width {width}", "operator", *PROPERTIES)
    with console.status("") as status:
        for index, row in enumerate(rows(), 1):
            status.update(f"{row[0]}: {index} of {len(blocks)} operators")
            table.add_row(escape(row[0]), *row[1:])
    console.print(table)
    for problem in problems:
        console.print(problem, highlight=False, markup=False, soft_wrap=True)
    return not problems
