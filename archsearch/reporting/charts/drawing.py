"""Pictures as plain values: a list of marks that `svg` turns into markup and `png` into a file.

Coordinates are pixels from the top left corner; colours are roles of the palette.
"""

import math
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
Symbol = Literal[
    "circle", "square", "diamond", "triangle", "triangle-down", "pentagon", "hexagon", "star", "cross"
]

_CORNERS: dict[Symbol, tuple[int, float, float]] = {
    "square": (4, 45.0, 1.15),
    "diamond": (4, 0.0, 1.25),
    "triangle": (3, 0.0, 1.3),
    "triangle-down": (3, 180.0, 1.3),
    "pentagon": (5, 0.0, 1.15),
    "hexagon": (6, 0.0, 1.1),
    "star": (10, 0.0, 1.45),
}
"""Corners, turn in degrees, and a size that looks like the circle's."""
_INNER = 0.45
_ARM = 0.32
_CROSS: tuple[Point, ...] = (
    *((-_ARM, -1.0), (_ARM, -1.0), (_ARM, -_ARM), (1.0, -_ARM), (1.0, _ARM), (_ARM, _ARM)),
    *((_ARM, 1.0), (-_ARM, 1.0), (-_ARM, _ARM), (-1.0, _ARM), (-1.0, -_ARM), (-_ARM, -_ARM)),
)
"""Corners of an upright cross; it is drawn on its side."""
_SANS_EM, _MONO_EM = 0.57, 0.61
"""Mean width of a character, of the widest font in use (DejaVu)."""


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: tuple[Point, ...]
    role: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Mark:
    """One data point; `about` is told when it is pointed at, `id` ties it to a row of a table."""

    x: float
    y: float
    radius: float
    fill: str
    line: str = "paper"
    symbol: Symbol = "circle"
    about: str = ""
    id: str = ""


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    line: str | None = None


@dataclass(frozen=True)
class TextLine:
    """One line of text; `y` is its baseline, `size` the font's in pixels."""

    x: float
    y: float
    text: str
    size: float = 11.0
    role: str = "ink"
    anchor: Anchor = "start"
    mono: bool = False
    bold: bool = False
    halo: bool = False
    id: str = ""


Item = Line | Mark | Box | TextLine


@dataclass(frozen=True)
class Drawing:
    """A picture and what it says in words."""

    width: float
    height: float
    alt: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Picture:
    """A drawing with its place in a report."""

    slug: str
    """The name of its file without suffix."""
    title: str
    drawing: Drawing
    notes: tuple[str, ...] = ()
    """Sentences to print below it."""


def corners(mark: Mark) -> tuple[Point, ...]:
    """The outline of a mark that is no circle."""
    if mark.symbol == "cross":
        half = mark.radius * 1.2 / math.sqrt(2)
        return tuple((mark.x + half * (x - y), mark.y + half * (x + y)) for x, y in _CROSS)
    count, turn, size = _CORNERS[mark.symbol]
    points = []
    for index in range(count):
        inner = mark.symbol == "star" and index % 2
        radius = mark.radius * size * (_INNER if inner else 1.0)
        angle = math.radians(turn + 360.0 * index / count)
        points.append((mark.x + radius * math.sin(angle), mark.y - radius * math.cos(angle)))
    return tuple(points)


def text_width(text: str, size: float, mono: bool = False) -> float:
    """About how wide the text is, in pixels; rather too much than too little."""
    return len(text) * size * (_MONO_EM if mono else _SANS_EM)


def wrapped(text: str, size: float, width: float) -> list[str]:
    """The text in lines of at most `width` pixels, as far as its words allow."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
