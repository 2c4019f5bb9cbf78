"""The words of the text form of layouts; `genomes.layout` gives them their meaning."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from genomes.errors import InvalidInput
from genomes.operators import Value

_MIXER = r"[A-Za-z_]\w*(?:\s*\([^()]*\))?"
_TOKEN = re.compile(
    rf"\s*(?:(?P<times>[0-9]{{1,9}})x\[|(?P<block>{_MIXER}(?:-{_MIXER})?)(?=[\s\]]|$)|\](?=\s|$)"
    r"|(?P<stored>weights|cache)=(?P<dtype>\w+)(?=\s|$))"
)
_NUMBER = re.compile(r"[+-]?(\d+(/\d+)?|\d*\.\d+)", re.ASCII)
_DONOR = re.compile(r"@([0-9]{1,9})")
_WORDS: dict[str, Value] = {"yes": True, "no": False, "none": None}


class Mixer(NamedTuple):
    """An operator's name and its arguments as written; the key is None where only a value stands."""

    name: str
    arguments: tuple[tuple[str | None, str], ...]


class Opening(NamedTuple):
    """`3x[`."""

    times: int


class Closing(NamedTuple):
    """`]`."""


class Storing(NamedTuple):
    """`weights=int8`."""

    what: str
    dtype: str


Token = tuple[Mixer, ...] | Opening | Closing | Storing
"""A block of one or two mixers, a bracket, or what the whole is stored in."""


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a layout. Raises `InvalidInput` at what cannot be read."""
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidInput(
                f"cannot read {text[position : position + 40].strip()!r}; write blocks like short_conv(3), "
                "attention(kv=1/4) or attention-attention, groups like 2x[attention swiglu(4)]"
            )
        position = match.end()
        if match["times"]:
            yield Opening(int(match["times"]))
        elif match["block"]:
            yield tuple(_mixer(mixer) for mixer in re.findall(_MIXER, match["block"]))
        elif match["stored"]:
            yield Storing(match["stored"], match["dtype"])
        else:
            yield Closing()


def _mixer(text: str) -> Mixer:
    name, _, arguments = text.removesuffix(")").partition("(")
    parts = [part.partition("=") for part in arguments.split(",")] if arguments.strip() else []
    pairs = ((key, value) if equals else (None, key) for key, equals, value in parts)
    return Mixer(name.strip(), tuple((key and key.strip(), value.strip()) for key, value in pairs))


def read_value(text: str) -> Value:
    """A setting's value. Raises `InvalidInput` saying what may stand there."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _NUMBER.fullmatch(text):
            return Fraction(text)
    except (ValueError, ZeroDivisionError):  # too many digits, or a zero below the line
        pass
    raise InvalidInput(f"{text!r} is not a number, a fraction like 1/4, yes, no or none")


def show_value(value: Value) -> str:
    """The text that `read_value` reads."""
    for word, meaning in _WORDS.items():
        if value is meaning:
            return word
    return str(value)


def read_donor(text: str) -> int:
    """The index in `@2`. Raises `InvalidInput`."""
    match = _DONOR.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{text!r} is not a block; write @ and its index, like @0")
    return int(match[1])
