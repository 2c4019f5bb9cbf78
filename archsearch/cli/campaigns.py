"""Verbs of a campaign: run, check, resume, status, report, clean, export."""

from pathlib import Path
from typing import Annotated

import typer

from archsearch.cli.app import EXPORTING, INSPECTING, RUNNING, app
from archsearch.cli.options import Address, ExecutorOption, Json, RunPath, WorkersOption
from archsearch.cli.terminal import out_console, print_json, say, tell


@app.command(rich_help_panel=RUNNING)
def run(
    campaign: Annotated[Path, typer.Argument(metavar="CAMPAIGN.yaml")],
    out: Annotated[Path | None, typer.Option(help="New directory; default: runs/NAME.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the campaign.")
    ] = None,
    executor: ExecutorOption = None,
    address: Address = None,
    workers: WorkersOption = None,
) -> None:
    """Run a campaign and write its report."""
    from archsearch.campaign.file import load_campaign
    from archsearch.cli.show import outcome, runs
    from archsearch.launch import Workers
    from archsearch.launch import run as run_campaign

    loaded = load_campaign(campaign, set_ or [])
    path = out if out is not None else Path("runs") / loaded.name
    with runs.watching(path) as watch:
        results = run_campaign(loaded, path, Workers(executor or "ray", address, workers), watch, say)
    outcome.outcome(results, out_console)
    tell(f"report: {path / 'report' / 'index.html'}")


@app.command(rich_help_panel=RUNNING)
def check(
    campaign: Annotated[Path, typer.Argument(metavar="CAMPAIGN.yaml")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the campaign.")
    ] = None,
) -> None:
    """Say what a campaign would do, without training anything."""
    from archsearch.campaign.file import load_campaign
    from archsearch.cli.show import rehearsal as show
    from archsearch.rehearsal import rehearse

    show.rehearsal(rehearse(load_campaign(campaign, set_ or []), say), out_console)


@app.command(rich_help_panel=RUNNING)
def resume(
    path: RunPath,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="search.generations (more), budget.timeout_s, finalists..."
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Train candidates again that failed.")
    ] = False,
    allow_commands: Annotated[
        bool, typer.Option("--allow-commands", help="Start the measure_commands of somebody else's run.")
    ] = False,
    executor: ExecutorOption = None,
    address: Address = None,
    workers: WorkersOption = None,
) -> None:
    """Go on with a run where it stopped; with more generations, beyond its end."""
    from archsearch.campaign.directory import load_run
    from archsearch.cli.show import outcome, runs
    from archsearch.launch import Workers, goes_on
    from archsearch.launch import resume as resume_run

    if not goes_on(load_run(path, set_ or []), retry_failed):
        resume_run(path, say=say, overrides=set_ or [], retry_failed=retry_failed)
        tell(f"{path} is finished; its report: {path / 'report' / 'index.html'}")
        return
    chosen = Workers(executor or "ray", address, workers) if executor or address or workers else None
    with runs.watching(path) as watch:
        results = resume_run(path, chosen, watch, say, set_ or [], retry_failed, allow_commands)
    outcome.outcome(results, out_console)
    tell(f"report: {path / 'report' / 'index.html'}")


@app.command(rich_help_panel=INSPECTING)
def status(path: RunPath, json_: Json = False) -> None:
    """Say where a run stands."""
    from archsearch.campaign.directory import load_run
    from archsearch.campaign.status import status_of
    from archsearch.cli.show import outcome, runs

    loaded = load_run(path)
    results = loaded.results()
    standing = status_of(loaded, results)
    if json_:
        print_json(standing)
        return
    runs.status(standing, out_console)
    outcome.outcome(results, out_console)


@app.command(rich_help_panel=INSPECTING)
def report(path: RunPath) -> None:
    """Write the report of a run anew: page, tables, pictures."""
    from archsearch.reporting.report import report as write_report

    tell(f"report: {write_report(path, say)}")


@app.command(rich_help_panel=INSPECTING)
def clean(
    path: RunPath,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove what a finished run no longer needs: checkpoints of what is not on the front."""
    from archsearch.tidying import clean as clean_run

    removed = clean_run(path, dry_run)
    verb = "would remove" if dry_run else "removed"
    tell(f"{verb} {len(removed.folders)} checkpoints, {removed.bytes / 1e6:.1f} MB")


@app.command(rich_help_panel=EXPORTING)
def export(
    source: Annotated[str, typer.Argument(metavar="DIR#ID|ARCH.json")],
    format: Annotated[str, typer.Option(help="spec or flax.")] = "spec",
    out: Annotated[Path | None, typer.Option(help="New folder; default: exports/ID-FORMAT.")] = None,
) -> None:
    """Export a winner: its specification, or its trained proxy as a Flax checkpoint."""
    from archsearch.interchange.export import export as export_source

    if out is None:
        name = source.rpartition("#")[2] if "#" in source else Path(source).name.split(".")[0]
        out = Path("exports") / f"{name}-{format}"
    tell(f"exported: {export_source(source, format, out)}")
