"""Calibration and validation on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from genomes import InvalidInput
from hardware_profiles import Device
from hardware_profiles.cases import QUANTITIES
from hardware_profiles.curves import Family
from hardware_profiles.measuring.judgement import Judgement
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
    for (operator, types), curves in groups.items():
        widths = sorted(curves[0].factors)
        table.add_row(
            operator,
            types,
            str(curves[0].rows),
            f"{widths[0]}-{widths[-1]}",
            str(curves[0].longest_context),
            *(f"{f.misfit:.1%}" for quantity in QUANTITIES for f in curves if f.quantity == quantity),
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


def judgement(result: Judgement, console: Console) -> None:
    """Each model's errors, and the judgement of each figure beside the machine's own spread."""
    workload = result.workload
    table = Table(
        box=box.SIMPLE, title=escape(f"{result.device} at {workload.context} tokens, {workload.dtype}")
    )
    table.add_column("model")
    table.add_column("parameters", justify="right")
    for figure in FIGURES:
        table.add_column(figure, justify="right")
        table.add_column("error", justify="right")
        table.add_column("repeat", justify="right")
    for model in result.models:
        cells = []
        for row in model.figures.values():
            cells += [f"{row.measured:.4g}", f"{row.error:+.1%}", _share(row.repeat_spread)]
        table.add_row(escape(model.name), f"{model.parameters / 1e6:.1f}M", *cells)
    console.print(table)
    judged = Table(box=box.SIMPLE, title="predicted against measured")
    for column in ("figure", "MAPE", "within 10 %", "within 20 %", "Kendall tau", "worst", "repeat spread"):
        judged.add_column(column)
    for figure, errors in result.errors.items():
        judged.add_row(
            figure,
            f"{errors.mape:.1%}",
            f"{errors.within_10:.0%}",
            f"{errors.within_20:.0%}",
            "-" if errors.kendall_tau is None else f"{errors.kendall_tau:.3f}",
            escape(f"{errors.worst} ({errors.worst_factor:.2f} times)"),
            _share(errors.repeat_spread),
        )
    console.print(judged)
    if result.disturbed:
        console.print(
            f"{result.disturbed} measurements were disturbed by other programs; an idle machine judges "
            "better",
            highlight=False,
        )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
