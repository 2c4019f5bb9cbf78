"""Calibration and validation on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from genomes import InvalidInput
from hardware_profiles import Device
from hardware_profiles.cases import QUANTITIES
from hardware_profiles.curves import Family
from hardware_profiles.workload import FIGURES


@contextmanager
def counting(what: str, console: Console) -> Iterator[Callable[[int, int, str], None]]:
    """A bar with the time left, told how many are done, how many there are, and what comes next."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[following]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, following="")
        yield lambda done, total, following: bar.update(
            task, completed=done, total=total, following=following
        )


@contextmanager
def keeping(rows: Path, console: Console) -> Iterator[Callable[[int, int, str], None]]:
    """The bar of a calibration; whatever ends it, say how to go on."""
    try:
        with counting("calibrating", console) as progress:
            yield progress
    except BaseException as error:
        if rows.exists() and rows.stat().st_size and not isinstance(error, InvalidInput):
            text = f"what was measured is kept in {rows}; the same command goes on from here"
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        raise


def families(device: Device, console: Console) -> None:
    """What was measured, and how well the curves give it back."""
    table = Table(
        box=box.SIMPLE, title=escape(f"{device.name}: median error of the curves on their own rows")
    )
    for column in ("operator", "types", "rows", "widths", "context", *QUANTITIES):
        table.add_column(column, justify="left" if column in ("operator", "types") else "right")
    groups: dict[tuple[str, str], list[Family]] = {}
    for family in device.families:
        types = "/".join(filter(None, (family.dtype, family.weights, family.cache)))
        groups.setdefault((family.operator, types), []).append(family)
    for (operator, types), found in groups.items():
        widths = sorted(found[0].factors)
        table.add_row(
            operator,
            types,
            str(found[0].rows),
            f"{widths[0]}-{widths[-1]}",
            str(found[0].longest_context),
            *(f"{f.misfit:.1%}" for quantity in QUANTITIES for f in found if f.quantity == quantity),
        )
    console.print(table)
    if device.cases_failed:
        console.print(f"{device.cases_failed} cases gave no time", highlight=False)
    if device.cases_unstable:
        console.print(
            f"{device.cases_unstable} cases are unstable: their samples differ much, or other programs ran "
            "beside them; an idle machine gives a better profile",
            highlight=False,
        )


def validation(found: dict[str, Any], console: Console) -> None:
    """Each model's errors, and the judgement of each figure beside the machine's own spread."""
    table = Table(
        box=box.SIMPLE, title=escape(f"{found['device']} at {found['context']} tokens, {found['dtype']}")
    )
    table.add_column("model")
    table.add_column("parameters", justify="right")
    for figure in FIGURES:
        table.add_column(figure, justify="right")
        table.add_column("error", justify="right")
        table.add_column("repeat", justify="right")
    for model in found["models"]:
        cells = []
        for figure in FIGURES:
            row = model[figure]
            spread = row["repeat_spread"]
            cells += [
                f"{row['measured']:.4g}",
                f"{row['error']:+.1%}",
                "-" if spread is None else f"{spread:.1%}",
            ]
        table.add_row(escape(model["name"]), f"{model['parameters'] / 1e6:.1f}M", *cells)
    console.print(table)
    judged = Table(box=box.SIMPLE, title="predicted against measured")
    for column in ("figure", "MAPE", "within 10 %", "within 20 %", "Kendall tau", "worst", "repeat spread"):
        judged.add_column(column)
    for figure in FIGURES:
        e = found[figure]
        tau, spread = e["kendall_tau"], e["repeat_spread"]
        judged.add_row(
            figure,
            f"{e['mape']:.1%}",
            f"{e['within_10']:.0%}",
            f"{e['within_20']:.0%}",
            "-" if tau is None else f"{tau:.3f}",
            escape(f"{e['worst']} ({e['worst_factor']:.2f} times)"),
            "-" if spread is None else f"{spread:.1%}",
        )
    console.print(judged)
    if found["disturbed"]:
        console.print(
            f"{found['disturbed']} measurements were disturbed by other programs; an idle machine judges "
            "better",
            highlight=False,
        )
