"""Options that several verbs of the command line share, and whole numbers that name what they refuse."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def whole(least: int, most: int = 10**9, **options: Any) -> Any:
    """An option that takes whole numbers from `least` to `most`; its message shows the value that was typed.

    Ranges of typer's own leave it out in some versions.
    """

    def read(value: str | int) -> int:  # a default is a number already
        text = str(value)
        # No underscores and no digits of other scripts, which Python reads as well.
        if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
            raise typer.BadParameter(f"{text[:40]!r} is not a whole number from {least} to {most}")
        return int(text)

    return typer.Option(parser=read, metavar=f"N>={least}", **options)


RunPath = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ExecutorOption = Annotated[
    Literal["ray", "local"] | None,
    typer.Option(help="ray (default), or local: processes without Ray."),
]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join: auto or ray://HOST:PORT.")]
WorkersOption = Annotated[int | None, whole(1, help="Default: as many as there is room for.")]
Context = Annotated[int, whole(1, 10_000_000, help="Tokens.")]
Batch = Annotated[int, whole(1, 65_536, help="Sequences side by side.")]
Dtype = Annotated[str, typer.Option(help="Type of the arithmetic.")]
Weights = Annotated[
    str | None, typer.Option(help="What weights are stored in, such as int4; default: the file's, or dtype.")
]
Cache = Annotated[
    str | None, typer.Option(help="What the state is stored in, such as int8; default: the file's, or dtype.")
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the task, such as path=."),
]
RuntimeOption = Annotated[
    str, typer.Option(help="jax; llama.cpp or onnxruntime, where their extras are installed.")
]
