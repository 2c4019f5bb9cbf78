"""Drawings as PNG files: matplotlib as a canvas, by its object-oriented interface and the Agg backend."""

import warnings
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle
from matplotlib.patheffects import withStroke

from archsearch.reporting.charts.drawing import Box, Drawing, Item, Line, Mark, Picture, TextLine, corners
from archsearch.reporting.charts.palette import COLOURS

PIXELS = 2.5
"""PNG pixels to one of the drawing's."""
_PER_INCH = 100.0
_POINTS = 72.0 / _PER_INCH
_ALIGNMENT: dict[str, Literal["left", "center", "right"]] = {
    "start": "left",
    "middle": "center",
    "end": "right",
}


def write_pictures(pictures: list[Picture], folder: Path) -> list[Path]:
    """Write each as `SLUG.png`; returns the paths."""
    paths = [folder / f"{picture.slug}.png" for picture in pictures]
    for picture, path in zip(pictures, paths, strict=True):
        write_png(picture.drawing, path)
    return paths


def write_png(drawing: Drawing, path: Path) -> None:
    """One drawing on white paper, 2.5 times its size."""
    figure = Figure(figsize=(drawing.width / _PER_INCH, drawing.height / _PER_INCH), dpi=_PER_INCH * PIXELS)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    for order, item in enumerate(drawing.items):
        _draw(axes, item, order)
    with warnings.catch_warnings():
        # Names may hold letters that the font lacks; a box in their place is good enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(path, format="png", metadata={"Software": "archsearch", "Description": drawing.alt})


def _draw(axes: Axes, item: Item, order: int) -> None:
    match item:
        case Line():
            xs, ys = zip(*item.points, strict=True)
            dashes: Any = (0, (4, 3)) if item.dashed else "solid"
            axes.plot(
                xs,
                ys,
                color=_colour(item.role),
                linewidth=item.width * _POINTS,
                linestyle=dashes,
                zorder=order,
                solid_joinstyle="miter",
            )
        case Mark():
            style: dict[str, Any] = {"facecolor": _colour(item.fill), "edgecolor": _colour(item.line)}
            style |= {"linewidth": 0.9 * _POINTS, "zorder": order}
            if item.symbol == "circle":
                axes.add_patch(Circle((item.x, item.y), item.radius, **style))
            else:
                axes.add_patch(Polygon(corners(item), closed=True, **style))
        case Box():
            edge = _colour(item.line) if item.line else "none"
            axes.add_patch(
                Rectangle(
                    (item.x, item.y),
                    item.width,
                    item.height,
                    facecolor=_colour(item.fill),
                    edgecolor=edge,
                    linewidth=0.8 * _POINTS,
                    zorder=order,
                )
            )
        case TextLine():
            text = axes.text(
                item.x,
                item.y,
                item.text,
                fontsize=item.size * _POINTS,
                color=_colour(item.role),
                horizontalalignment=_ALIGNMENT[item.anchor],
                verticalalignment="baseline",
                family="DejaVu Sans Mono" if item.mono else "DejaVu Sans",
                fontweight="bold" if item.bold else "normal",
                parse_math=False,
                zorder=order,
            )
            if item.halo:
                text.set_path_effects([withStroke(linewidth=3 * _POINTS, foreground=_colour("paper"))])


def _colour(role: str) -> str:
    return COLOURS[role].light
