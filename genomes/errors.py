"""The one exception for what a user wrote and cannot be used, and the words for it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


LONGEST_MESSAGE = 3000
"""Characters of a message."""


class InvalidInput(ValueError):
    """A value from outside is wrong.

    The message names what was read (file, key or block), the value found, what is legal and, where it
    helps, what to do. The command line prints it and exits with code 2. Characters that steer a terminal are
    escaped in it, and of an endless one the middle is left out.
    """

    def __init__(self, message: str) -> None:
        plain = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in message)
        if len(plain) > LONGEST_MESSAGE:
            plain = f"{plain[: LONGEST_MESSAGE // 2]} ... {plain[-LONGEST_MESSAGE // 4 :]}"
        super().__init__(plain)


LONGEST = 120
"""Characters of a value in a message."""


def cut(text: str) -> str:
    """The text as a message shows it: without control characters, its middle left out where it is long."""
    plain = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[: 2 * LONGEST])
    if len(text) <= LONGEST and len(plain) <= LONGEST:
        return plain
    return f"{plain[: LONGEST - 20]}... ({len(text)} characters)"


def refused(field: str, value: object, legal: str, hint: str = "") -> InvalidInput:
    """The error `field = value; legal: ...; what to do`, for whoever raises it.

    `hint` is what to do where the legal values alone do not say it. Text is shown in quotes.
    """
    shown = cut(repr(value) if isinstance(value, str) else str(value))
    return InvalidInput("; ".join(filter(None, (f"{field} = {shown}", f"legal: {legal}", hint))))


def unknown(what: str, name: str, known: Iterable[str], hint: str = "") -> InvalidInput:
    """The error of a name that is none of the known ones; it gives the nearest of these."""
    names = list(known)
    near = get_close_matches(name, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return InvalidInput(f"unknown {what} {cut(repr(name))}{meant}; known: {', '.join(names)}{hint}")


@contextmanager
def named(key: str) -> Iterator[None]:
    """Put the key of what is being read before the message of an `InvalidInput`."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{key}: {error}") from None


def describe(error: "ValidationError", known: Iterable[str] = ()) -> str:
    """A pydantic error as `field = value: what is legal`, one clause a field.

    `known` are the legal fields, listed where one is missing or unknown.
    """
    clauses = []
    legal = f" (fields: {', '.join(known) or 'none'})" if known != () else ""
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        match item["type"]:
            case "missing":
                clauses.append(f"{field} is missing{legal}")
            case "extra_forbidden":
                clauses.append(f"unknown field {cut(repr(field))} = {cut(repr(item['input']))}{legal}")
            case "value_error" if not field:
                clauses.append(message)
            case _:
                clauses.append(f"{field} = {cut(repr(item['input']))}: {message}")
    return "; ".join(clauses)
