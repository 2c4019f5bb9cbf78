"""Options of the command line that name what they refuse."""

from typing import Any

import typer


def whole(least: int, **options: Any) -> Any:
    """An option that takes whole numbers of at least `least`; a message holds the value that was given.

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
