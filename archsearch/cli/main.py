"""The command line: verbs of `archsearch`, each a thin layer over a Python function.

Exit 0: done. 2: the input is wrong. 1: it failed, or was stopped. Errors go to stderr and name what is wrong;
a traceback is shown only with ARCHSEARCH_DEBUG=1. A verb imports what it needs, so that help comes at once.
"""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from archsearch.cli.options import (
    Address,
    Batch,
    Cache,
    Context,
    Dtype,
    ExecutorOption,
    Json,
    RunPath,
    RuntimeOption,
    SettingOption,
    Weights,
    WorkersOption,
    whole,
)
from archsearch.cli.terminal import error_console, exit_code, out_console, print_json, say, tell

app = typer.Typer(
    name="archsearch",
    help="Evolve hybrid language-model architectures: a Pareto front of quality, latency and memory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from archsearch import __version__

        tell(f"archsearch {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Evolve hybrid language-model architectures: a Pareto front of quality, latency and memory."""


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def report(path: RunPath) -> None:
    """Write the report of a run anew: page, tables, pictures."""
    from archsearch.reporting.report import report as write_report

    tell(f"report: {write_report(path, say)}")


@app.command()
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


@app.command()
def train(
    architecture: Annotated[str, typer.Argument(metavar="ARCH.json")],
    task: Annotated[str, typer.Option(help="Name of the task.")],
    steps: Annotated[int, whole(2)] = 180,
    length: Annotated[int, whole(2)] = 64,
    batch: Batch = 16,
    learning_rate: Annotated[
        list[float] | None, typer.Option(help="May be given several times; the best on validation is kept.")
    ] = None,
    seed: Annotated[int, whole(0)] = 0,
    set_: SettingOption = None,
    out: Annotated[Path | None, typer.Option(help="New folder for curve, log and weights.")] = None,
    json_: Json = False,
) -> None:
    """Train an architecture on a task and judge it on the held-out test stream."""
    from archsearch.cli.inputs import find_architecture, settings
    from archsearch.cli.show import tables
    from archsearch.training import train as train_architecture

    scores = train_architecture(
        find_architecture(architecture),
        task,
        steps=steps,
        length=length,
        batch=batch,
        learning_rates=learning_rate or None,
        seed=seed,
        settings=settings(set_ or []),
        out=out,
    )
    print_json(scores) if json_ else tables.pairs(scores, out_console)


@app.command()
def predict(
    architecture: Annotated[str, typer.Argument(metavar="ARCH.json")],
    device: Annotated[str, typer.Option(help="Name, file or this-machine.")],
    context: Context = 1024,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    weights: Weights = None,
    cache: Cache = None,
    json_: Json = False,
) -> None:
    """Price an architecture on a device: latency, memory, energy, parameters, state."""
    from archsearch.cli.inputs import find_architecture
    from archsearch.cli.show import devices
    from hardware_profiles import Workload
    from hardware_profiles import predict as predict_cost
    from hardware_profiles.measuring.this_machine import resolve_device

    workload = Workload(context, batch, dtype, weights=weights, cache=cache)
    price = predict_cost(find_architecture(architecture), resolve_device(device, progress=say), workload)
    print_json(price.to_dict()) if json_ else devices.prediction(price, out_console)


@app.command()
def measure(
    architecture: Annotated[str, typer.Argument(metavar="ARCH.json")],
    context: Context = 1024,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    weights: Weights = None,
    cache: Cache = None,
    depth: Annotated[
        list[int] | None, whole(1, help="Decode at this depth as well; may be given several times.")
    ] = None,
    runtime: RuntimeOption = "jax",
    device: Annotated[
        str | None, typer.Option(help="A device file with a measure_command; default: this machine.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure the real latency and memory of an architecture, on this machine or by a device's command."""
    from archsearch.cli.inputs import find_architecture
    from archsearch.cli.show import tables
    from genomes.errors import refused
    from hardware_profiles import Workload
    from hardware_profiles.measuring.measure import measure as measure_architecture
    from hardware_profiles.measuring.measurement import Measurement
    from hardware_profiles.measuring.remote import RemoteMeasurement, measure_on
    from hardware_profiles.measuring.this_machine import THIS_MACHINE, resolve_device

    here = device is None or device == THIS_MACHINE
    if not here and runtime != "jax":
        raise refused("--runtime", runtime, f"none with --device {device}, whose command measures")
    if not here and depth:
        raise refused("--depth", depth, f"none with --device {device}, whose command measures at --context")
    model = find_architecture(architecture)
    workload = Workload(context, batch, dtype, weights=weights, cache=cache)
    measurement: Measurement | RemoteMeasurement
    if device is None or here:
        measurement = measure_architecture(model, workload, runtime, depths=depth or (), progress=say)
    else:
        measurement = measure_on(resolve_device(device), model, workload)
    figures = measurement.to_dict()
    print_json(figures) if json_ else tables.pairs(figures, out_console)


@app.command()
def calibrate(
    name: Annotated[str, typer.Option(help="Name of the profile.")],
    out: Annotated[Path, typer.Option(help="Device file to write.")],
    grid: Annotated[str, typer.Option(help="quick or full.")] = "quick",
    types: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DTYPE[/WEIGHTS[/CACHE]]",
            help="Such as float32 or float32/int4/float16; may be given several times.",
        ),
    ] = None,
    runtime: RuntimeOption = "jax",
) -> None:
    """Measure this machine block by block and write a calibrated profile; an interrupted one goes on."""
    from archsearch.cli.show import profiles
    from hardware_profiles.measuring.calibrate import ROWS
    from hardware_profiles.measuring.calibrate import calibrate as calibrate_machine

    with profiles.keeping(out.with_suffix(ROWS), error_console) as progress:
        profile = calibrate_machine(name, out, grid, types=types, progress=progress, runtime=runtime)
    profiles.families(profile, out_console)
    tell(f"profile: {out}")


@app.command()
def validate(
    device: Annotated[str, typer.Argument(help="Name, file or this-machine.")],
    architectures: Annotated[list[str], typer.Argument(metavar="ARCH.json...")],
    context: Context = 1024,
    batch: Batch = 1,
    dtype: Dtype = "float32",
    weights: Weights = None,
    cache: Cache = None,
    processes: Annotated[int, whole(1, help="Fresh processes for each model.")] = 3,
    store: Annotated[bool, typer.Option("--store", help="Keep the errors in the device file.")] = False,
    json_: Json = False,
) -> None:
    """Judge a profile of this machine: predictions against whole models measured here, with its runtime."""
    from archsearch.cli.inputs import find_architecture
    from archsearch.cli.show import profiles
    from genomes.errors import refused
    from genomes.files import write_whole
    from hardware_profiles import Workload
    from hardware_profiles.measuring.judgement import with_validation
    from hardware_profiles.measuring.this_machine import resolve_device
    from hardware_profiles.measuring.validate import validate as validate_profile

    profile = resolve_device(device, progress=say)
    if store and not Path(device).is_file():
        raise refused("device", device, "a device file, where --store keeps the errors")
    models = [(Path(a).name.removesuffix(".arch.json"), find_architecture(a)) for a in architectures]
    workload = Workload(context, batch, dtype, weights=weights, cache=cache)
    with profiles.counting("measuring", error_console) as progress:
        judgement = validate_profile(profile, models, workload, processes=processes, progress=progress)
    if store:
        write_whole(Path(device), with_validation(profile, judgement).to_yaml())
    print_json(judgement.to_dict()) if json_ else profiles.judgement(judgement, out_console)


@app.command()
def devices(
    name: Annotated[str | None, typer.Argument()] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure this-machine anew.")] = False,
) -> None:
    """List the devices, or show one with the source of each number."""
    from archsearch.cli.show import devices as show

    show.devices(name, out_console, say, again)


@app.command()
def spaces(preset: Annotated[str | None, typer.Argument()] = None) -> None:
    """List the search spaces, or show one: size, classes, rules, references."""
    from archsearch.cli.show import spaces as show

    show.spaces(preset, out_console)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument()] = None,
    length: Annotated[int, whole(2)] = 64,
    set_: SettingOption = None,
) -> None:
    """List the tasks, or show what trivial answers get on one: where its scores start."""
    from archsearch.cli.inputs import settings
    from archsearch.cli.show import tasks as show

    show.tasks(name, length, settings(set_ or []), out_console)


@app.command()
def operators(
    operator: Annotated[str | None, typer.Argument(help="A name; to check, an .arch.json file too.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Run the conformance suite.")] = False,
) -> None:
    """List the operators, show one, or check that they do what every operator must."""
    from archsearch.cli.show import operators as show

    if not check:
        show.operators(operator, out_console)
    elif not show.conformance(operator, out_console):
        raise typer.Exit(1)


@app.command()
def architectures(name: Annotated[str | None, typer.Argument()] = None) -> None:
    """List reference layouts and published models, or print one as an architecture file."""
    from archsearch.cli.show import architectures as show

    show.architectures(name, out_console)


@app.command()
def doctor() -> None:
    """Check what archsearch needs on this machine."""
    from archsearch.cli.doctor import doctor as examine

    if not examine(out_console):
        raise typer.Exit(1)


def main() -> NoReturn:
    """Entry point: runs a verb and ends with its exit code."""
    sys.exit(exit_code(app))
