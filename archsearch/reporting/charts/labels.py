"""Labels beside points, placed so that they cover neither each other nor the points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot

from archsearch.reporting.charts.drawing import Anchor, Item, Line, Mark, Point, TextLine, text_width

SIZE = 10.0
_AWAY = (8.0, 17.0, 30.0)
_DIRECTIONS = (
    (1.0, 0.0),
    (-1.0, 0.0),
    (0.7, -0.8),
    (-0.7, -0.8),
    (0.7, 0.8),
    (-0.7, 0.8),
    (0.0, -1.0),
    (0.0, 1.0),
)
_LEADER = 12.0
"""A label farther away than this gets a line to its point."""
_COLLISION = 100.0

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Wanted:
    """A point and its label; one that `must` be shown is shown even where it collides."""

    mark: Mark
    text: str
    mono: bool = False
    must: bool = False


def place(
    wanted: Sequence[Wanted], frame: Rectangle, avoid: Iterable[Mark], lines: Iterable[Sequence[Point]]
) -> list[Item]:
    """Labels (and lines to far ones) inside the frame, in order of importance.

    Of 24 places around its point each takes the one that covers and confuses least: never a label or a
    labelled point, rather not the `lines`, the marks to `avoid` or a place that is nearer to another point.
    """
    marks = [_around(want.mark, 1.0) for want in wanted]
    soft = [_around(mark, 0.0) for mark in avoid] + [box for line in lines for box in _segments(line)]
    texts: list[Rectangle] = []
    items: list[Item] = []
    for own, want in enumerate(wanted):
        others = marks[:own] + marks[own + 1 :]
        options = [_option(want, away, direction) for away in _AWAY for direction in _DIRECTIONS]
        costs = []
        for _, box, away in options:
            collisions = sum(_overlap(box, other) for other in marks + texts)
            outside = max(frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3], 0.0)
            distance = _distance(want.mark, box)
            nearer = sum(_gap(other, box) <= distance for other in others)
            crossed = sum(_crosses(want.mark, box, other) for other in others + texts)
            covered = sum(_overlap(box, other) for other in soft)
            cost = _COLLISION * (collisions + (outside > 0) + outside) + 0.5 * away
            costs.append(cost + 8.0 * (nearer + crossed) + 6.0 * covered)
        best = costs.index(min(costs))
        if costs[best] >= _COLLISION and not want.must:
            continue
        text, box, away = options[best]
        texts.append(box)
        if away > _LEADER:
            items.append(Line(((want.mark.x, want.mark.y), _nearest(want.mark, box)), "strong", 0.6))
        items.append(text)
    return items


def _option(want: Wanted, away: float, direction: Point) -> tuple[TextLine, Rectangle, float]:
    mark, width = want.mark, text_width(want.text, SIZE, want.mono)
    x, y = mark.x + away * direction[0], mark.y + away * direction[1]
    anchor: Anchor = "middle" if direction[0] == 0 else "start" if direction[0] > 0 else "end"
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    middle = y + 3.0 * direction[1] if direction[0] == 0 else y
    box = (left, middle - 0.55 * SIZE, left + width, middle + 0.55 * SIZE)
    role = "front" if mark.fill == "front" else "ink"
    text = TextLine(x, middle + 0.35 * SIZE, want.text, SIZE, role, anchor, want.mono, halo=True, id=mark.id)
    return text, box, away


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _around(mark: Mark, margin: float) -> Rectangle:
    r = mark.radius + margin
    return (mark.x - r, mark.y - r, mark.x + r, mark.y + r)


def _segments(line: Sequence[Point]) -> list[Rectangle]:
    pairs = pairwise(line)
    return [
        (min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1) for a, b in pairs
    ]


def _nearest(mark: Mark, box: Rectangle) -> Point:
    return min(max(mark.x, box[0]), box[2]), min(max(mark.y, box[1]), box[3])


def _distance(mark: Mark, box: Rectangle) -> float:
    """From the edge of a mark to a box."""
    x, y = _nearest(mark, box)
    return hypot(x - mark.x, y - mark.y) - mark.radius


def _gap(a: Rectangle, b: Rectangle) -> float:
    return hypot(max(a[0] - b[2], b[0] - a[2], 0.0), max(a[1] - b[3], b[1] - a[3], 0.0))


def _crosses(mark: Mark, box: Rectangle, other: Rectangle) -> bool:
    """Whether the line from a mark to its label runs over something."""
    x, y = _nearest(mark, box)
    way = [((x - mark.x) * n / 6 + mark.x, (y - mark.y) * n / 6 + mark.y) for n in range(1, 6)]
    return any(other[0] < px < other[2] and other[1] < py < other[3] for px, py in way)
