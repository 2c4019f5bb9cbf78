"""The command line itself: its groups of verbs, and the options that need no verb."""

from typing import Annotated

import typer

from archsearch.cli.terminal import tell

RUNNING, INSPECTING, EXPORTING = "Campaigns", "Results", "Export"
ARCHITECTURES, DEVICES, LISTS = "One architecture", "Devices", "What there is"

app = typer.Typer(
    name="archsearch",
    help="Evolve hybrid language-model architectures: a Pareto front of quality, latency and memory.",
    no_args_is_help=True,
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
