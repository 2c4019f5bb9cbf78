"""The hypervolume as the search went on."""

from math import isfinite

from archsearch.campaign.results import Results
from archsearch.reporting.charts.axes import amount_axis, count_axis
from archsearch.reporting.charts.drawing import Drawing, Item, Line, Mark, Picture, Point, TextLine
from archsearch.reporting.charts.frame import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH


def hypervolume_picture(results: Results) -> Picture:
    """A step line over evaluations; the last value is written at its end."""
    known = [point for point in results.history if isfinite(point.hypervolume)]
    history = sorted(known, key=lambda point: point.evaluations)
    heights = [point.hypervolume for point in history]
    x = count_axis("candidates evaluated", history[-1].evaluations if history else 1)
    y = amount_axis("hypervolume", heights)
    items: list[Item] = [TextLine(4, TOP - 12, "hypervolume of the front  ↑ better", 11.5)]

    def at(evaluations: float, height: float) -> Point:
        right, up = x.fraction(evaluations), y.fraction(height)
        return LEFT + right * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)

    for value, text in x.ticks:
        items.append(TextLine(at(value, 0)[0], BOTTOM + 15, text, 10.5, "muted", "middle"))
    for value, text in y.ticks if history else ():
        height = at(0, value)[1]
        items.append(Line(((LEFT, height), (RIGHT, height)), "grid"))
        items.append(TextLine(LEFT - 6, height + 3.7, text, 10.5, "muted", "end"))
    items.append(Line(((LEFT, BOTTOM), (RIGHT, BOTTOM)), "rule"))
    items.append(Line(((LEFT, TOP), (LEFT, BOTTOM)), "rule"))
    items.append(TextLine(RIGHT, BOTTOM + 36, x.title, 11.5, anchor="end"))
    if not history:
        middle = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
        items.append(TextLine(*middle, "no hypervolume recorded yet", 11.5, "muted", "middle"))
        return Picture(
            "hypervolume", "Hypervolume", Drawing(WIDTH, HEIGHT, "No hypervolume yet.", tuple(items))
        )
    line: list[Point] = []
    for point in history:
        here = at(point.evaluations, point.hypervolume)
        if line:
            line.append((here[0], line[-1][1]))
        line.append(here)
    last = f"{heights[-1]:.4g}"
    end = line[-1]
    items += [Line(tuple(line), "phase-0", 1.6), Mark(*end, 3.6, "phase-0")]
    items.append(
        TextLine(end[0] - 2, max(end[1] - 9, TOP + 4), last, 11.0, anchor="end", bold=True, halo=True)
    )
    alt = (
        f"Line of the hypervolume over {history[-1].evaluations} evaluations: "
        f"from {heights[0]:.4g} to {last}."
    )
    return Picture("hypervolume", "Hypervolume", Drawing(WIDTH, HEIGHT, alt, tuple(items)))
