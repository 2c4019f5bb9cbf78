"""Options that several verbs of the command line share, and whole numbers that name what they refuse."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def whole(least: int, **options: Any) -> Any:
    """An option that takes whole numbers of at least `least`; its message shows the value that was typed.

    Ranges of typer's own leave it out in some versions.
    """

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise typer.BadParameter(f"{text!r} is not a whole number of at least {least}")
        return number

    return typer.Option(parser=read, metavar=f"N>={least}", **options)


RunPath = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a run.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ExecutorOption = Annotated[
    Literal["ray", "local"] | None,
    typer.Option(help="ray (default), or local: processes without Ray."),
]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join: auto or ray://HOST:PORT.")]
WorkersOption = Annotated[int | None, whole(1, help="Default: as many as there is room for.")]
Context = Annotated[int, whole(1, help="Tokens.")]
Batch = Annotated[int, whole(1, help="Sequences side by side.")]
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
