"""The command line: verbs of `archsearch`, each a thin layer over a Python function.

Those of campaigns stand in `archsearch.cli.campaigns`.

Exit 0: done. 2: the input is wrong. 1: it failed, or was stopped. Errors go to stderr and name what is wrong;
a traceback is shown only with ARCHSEARCH_DEBUG=1. A verb imports what it needs, so that help comes at once.
"""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from archsearch.cli import campaigns as campaigns  # its verbs come first
from archsearch.cli.app import ARCHITECTURES, DEVICES, LISTS, app
from archsearch.cli.options import (
    Batch,
    Cache,
    Context,
    Dtype,
    Json,
    RuntimeOption,
    SettingOption,
    Weights,
    whole,
)
from archsearch.cli.terminal import error_console, exit_code, out_console, print_json, say, tell


@app.command(rich_help_panel=ARCHITECTURES)
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
        find_architecture(architecture, trained=True),
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


@app.command(rich_help_panel=ARCHITECTURES)
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


@app.command(rich_help_panel=ARCHITECTURES)
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


@app.command(rich_help_panel=DEVICES)
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


@app.command(rich_help_panel=DEVICES)
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


@app.command(rich_help_panel=DEVICES)
def devices(
    name: Annotated[str | None, typer.Argument()] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure this-machine anew.")] = False,
) -> None:
    """List the devices, or show one with the source of each number."""
    from archsearch.cli.show import devices as show

    show.devices(name, out_console, say, again)


@app.command(rich_help_panel=LISTS)
def spaces(preset: Annotated[str | None, typer.Argument()] = None) -> None:
    """List the search spaces, or show one: size, classes, rules, references."""
    from archsearch.cli.show import spaces as show

    show.spaces(preset, out_console)


@app.command(rich_help_panel=LISTS)
def tasks(
    name: Annotated[str | None, typer.Argument()] = None,
    length: Annotated[int, whole(2)] = 64,
    set_: SettingOption = None,
) -> None:
    """List the tasks, or show what trivial answers get on one: where its scores start."""
    from archsearch.cli.inputs import settings
    from archsearch.cli.show import tasks as show

    show.tasks(name, length, settings(set_ or []), out_console)


@app.command(rich_help_panel=LISTS)
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


@app.command(rich_help_panel=LISTS)
def architectures(
    name: Annotated[str | None, typer.Argument(help="A name of the list, or a layout.")] = None,
    width: Annotated[int | None, whole(8, 65_536, help="Make a reference or a layout a file.")] = None,
    blocks: Annotated[int | None, whole(1, 4096, help="Default: the layout's.")] = None,
    head_dim: Annotated[int, whole(2, 1024)] = 64,
    vocab_size: Annotated[int, whole(2, 4_194_304)] = 32_768,
    context: Annotated[int, whole(1, 10_000_000, help="Tokens that shares of the context refer to.")] = 4096,
) -> None:
    """List reference layouts and published models, or print one as an architecture file."""
    from archsearch.cli.show import architectures as show
    from genomes import Scale

    if width is None:
        show.architectures(name, out_console)
    else:
        scale = Scale(width=width, head_dim=head_dim, blocks=blocks, vocab_size=vocab_size, context=context)
        show.scaled(name, scale)


@app.command(rich_help_panel=LISTS)
def schema() -> None:
    """Print the JSON schema of campaign files, for editors."""
    from archsearch.campaign.file import Campaign

    print_json(Campaign.model_json_schema())


@app.command(rich_help_panel=DEVICES)
def doctor() -> None:
    """Check what archsearch needs on this machine."""
    from archsearch.cli.doctor import doctor as examine

    if not examine(out_console):
        raise typer.Exit(1)


def main() -> NoReturn:
    """Entry point: runs a verb and ends with its exit code."""
    sys.exit(exit_code(app))
