"""The front in two objectives: who reached the last rung, who won, and where the references lie."""

from dataclasses import dataclass, replace
from itertools import combinations

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, Results
from archsearch.reporting import facts
from archsearch.reporting.charts.axes import Axis, objective_axis
from archsearch.reporting.charts.drawing import (
    Drawing,
    Item,
    Line,
    Mark,
    Picture,
    Point,
    Symbol,
    TextLine,
    text_width,
    wrapped,
)
from archsearch.reporting.charts.frame import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from archsearch.reporting.charts.labels import Wanted, place
from archsearch.reporting.units import quantity

_SYMBOLS: tuple[Symbol, ...] = (
    *("square", "diamond", "triangle", "triangle-down", "pentagon", "star", "hexagon"),
)
_BREAKING: Symbol = "cross"
"""What breaks a bound, a reference that is: never on the front."""
_MOST_BARS = 8
_LONGEST_BAR = 0.25
"""Intervals are drawn for at most so many winners, and where the median is at most this share of the axis."""


def objective_pairs(results: Results) -> list[tuple[Objective, Objective]]:
    """Every two objectives as (horizontal, vertical); one to be maximised stands upright."""
    return [
        (first, second) if (second.direction, first.direction) == ("max", "min") else (second, first)
        for first, second in combinations(results.objectives, 2)
    ]


def staircase(points: list[Point], right: bool, up: bool) -> list[Point]:
    """The corners of the boundary of what the points dominate, from the best in x to the best in y.

    `right` and `up` say where better is. Starts and ends at the extreme points; points that another one
    dominates in the two coordinates are left out.
    """
    sign_x, sign_y = (-1.0 if right else 1.0), (-1.0 if up else 1.0)
    corners: list[Point] = []
    for x, y in sorted(set(points), key=lambda p: (sign_x * p[0], sign_y * p[1])):
        if not corners:
            corners.append((x, y))
        elif sign_y * y < sign_y * corners[-1][1]:
            corners += [(x, corners[-1][1]), (x, y)]
    return corners


def front_picture(results: Results, across: Objective, upright: Objective, slug: str) -> Picture:
    """The picture of one pair of objectives."""
    shown = [c for c in results.candidates if facts.at_last_rung(c, results) and _has(c, across, upright)]
    winners = [c for c in facts.winners(results) if _has(c, across, upright)]
    references = [c for c in facts.references(results) if c in shown]
    chosen = {c.id for c in winners + references}
    others = [c for c in shown if c.id not in chosen]
    breaking = [c for c in shown if c.breaks is not None]
    plot = _Plot.of(across, upright, winners + references, others)
    symbols = {c.id: _SYMBOLS[i % len(_SYMBOLS)] for i, c in enumerate(references)}
    symbols |= dict.fromkeys((c.id for c in breaking), _BREAKING)
    steps, dots = _staircase(plot, winners), _dots(plot, others)
    points = [
        _chosen(plot, c, c.id in results.front, symbols.get(c.id, "circle")) for c in references + winners
    ]
    points = list({mark.id: mark for mark in points}.values())
    names = {c.id: c.name for c in winners + references}
    bars = _bars(plot, winners, across, upright)
    labels = place(
        [Wanted(m, names[m.id], mono=m.symbol == "circle", must=m.symbol != "circle") for m in points],
        (LEFT + 2, TOP, RIGHT, BOTTOM - 2),
        dots,
        [line.points for line in (*steps, *bars)],
    )
    if not shown:
        labels = [
            TextLine((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2, "nothing evaluated yet", 11.5, "muted", "middle")
        ]
    leaders = [item for item in labels if isinstance(item, Line)]
    texts = [item for item in labels if isinstance(item, TextLine)]
    items = (
        *_frame(plot),
        *dots,
        *steps,
        *bars,
        *leaders,
        *points,
        *texts,
        *_legend(results, bool(breaking)),
    )
    title = f"{_short(upright)} against {_short(across)}"
    alt = (
        f"Scatter plot of {len(shown)} candidates of the last rung: {upright.label} against {across.label}. "
        f"{len(winners)} are on the front{': ' if winners else ''}{', '.join(c.name for c in winners)}."
        + (f" {len(breaking)} break a bound: {', '.join(c.name for c in breaking)}." if breaking else "")
    )
    unlabelled = max(len(points) - len(texts), 0)
    beyond = sum(not plot.holds(c) for c in others)
    early = len(facts.stopped_early(results))
    notes = [
        *([f"{early} stopped at an earlier rung, not drawn."] if early else []),
        *([f"{beyond} beyond the axes, drawn on the edge."] if beyond else []),
        *([f"{unlabelled} of the front without room for a label."] if unlabelled else []),
        *(["Fine bars: predicted intervals."] if bars else []),
    ]
    return Picture(slug, title, Drawing(WIDTH, HEIGHT, alt, items), tuple(notes))


@dataclass(frozen=True)
class _Plot:
    x: Axis
    y: Axis
    across: Objective
    upright: Objective

    @classmethod
    def of(
        cls, across: Objective, upright: Objective, shown: list[Candidate], others: list[Candidate]
    ) -> "_Plot":
        x, y = (objective_axis(o, facts.values(shown, o), facts.values(others, o)) for o in (across, upright))
        return cls(x, y, across, upright)

    def fractions(self, candidate: Candidate) -> tuple[float, float]:
        return (
            self.x.fraction(candidate.objectives[self.across.name]),
            self.y.fraction(candidate.objectives[self.upright.name]),
        )

    def holds(self, candidate: Candidate) -> bool:
        return all(-1e-9 <= fraction <= 1 + 1e-9 for fraction in self.fractions(candidate))

    def at(self, candidate: Candidate) -> Point:
        """Pixels; what lies beyond the axes is moved to their edge."""
        across, upright = (min(max(fraction, 0.0), 1.0) for fraction in self.fractions(candidate))
        return self.px(across), self.py(upright)

    @staticmethod
    def px(fraction: float) -> float:
        return LEFT + fraction * (RIGHT - LEFT)

    @staticmethod
    def py(fraction: float) -> float:
        return BOTTOM - fraction * (BOTTOM - TOP)


def _has(candidate: Candidate, *objectives: Objective) -> bool:
    return all(facts.value(candidate, objective) is not None for objective in objectives)


def _short(objective: Objective) -> str:
    return f"{objective.figure} {objective.place}".rstrip()


def _frame(plot: _Plot) -> list[Item]:
    items: list[Item] = []
    for value, text in plot.x.ticks:
        x = plot.px(plot.x.fraction(value))
        items.append(Line(((x, TOP), (x, BOTTOM)), "grid"))
        items.append(TextLine(x, BOTTOM + 15, text, 10.5, "muted", "middle"))
    for value, text in plot.y.ticks:
        y = plot.py(plot.y.fraction(value))
        items.append(Line(((LEFT, y), (RIGHT, y)), "grid"))
        items.append(TextLine(LEFT - 6, y + 3.7, text, 10.5, "muted", "end"))
    for axis, objective in ((plot.x, plot.across), (plot.y, plot.upright)):
        for words, bound in (("at most", objective.at_most), ("at least", objective.at_least)):
            if bound is not None and 0 < axis.fraction(bound) < 1:
                x, y = plot.px(axis.fraction(bound)), plot.py(axis.fraction(bound))
                ends = ((x, TOP), (x, BOTTOM)) if axis is plot.x else ((LEFT, y), (RIGHT, y))
                items.append(Line(ends, "strong", dashed=True))
                place = (x + 4, BOTTOM - 5) if axis is plot.x else (LEFT + 4, y - 4)
                items.append(TextLine(*place, words, 9.5, "muted", halo=True))
    items.append(Line(((LEFT, BOTTOM), (RIGHT, BOTTOM)), "rule"))
    items.append(Line(((LEFT, TOP), (LEFT, BOTTOM)), "rule"))
    upright = plot.y.title.replace("← better", "↓ better").replace("better →", "↑ better")
    for number, line in enumerate(reversed(wrapped(upright, 11.5, WIDTH - 8))):
        items.append(TextLine(4, TOP - 12 - 14 * number, line, 11.5))
    for number, line in enumerate(wrapped(plot.x.title, 11.5, RIGHT - 8)):
        items.append(TextLine(RIGHT, BOTTOM + 36 + 14 * number, line, 11.5, anchor="end"))
    return items


def _legend(results: Results, breaking: bool) -> list[Item]:
    steps = results.rungs[-1] if results.rungs else 0
    entries = [(Mark(0, 0, 4.4, "front"), "front"), (Mark(0, 0, 3.2, "strong"), f"last rung ({steps} steps)")]
    entries += [(Mark(0, 0, 4.8, "paper", "ink", "diamond"), "reference")] if results.references else []
    entries += [(Mark(0, 0, 4.8, "paper", "ink", _BREAKING), "breaks a bound")] if breaking else []
    items: list[Item] = []
    x = LEFT
    for mark, words in entries:
        items += [replace(mark, x=x + 4, y=HEIGHT - 10), TextLine(x + 14, HEIGHT - 6.4, words, 10, "muted")]
        x += 32 + 0.95 * text_width(words, 10)
    return items


def _dots(plot: _Plot, others: list[Candidate]) -> list[Mark]:
    return [
        Mark(
            *plot.at(c),
            3.2,
            "strong",
            symbol="circle" if c.breaks is None else _BREAKING,
            about=_about(plot, c),
            id=c.id,
        )
        for c in others
    ]


def _chosen(plot: _Plot, candidate: Candidate, won: bool, symbol: Symbol) -> Mark:
    x, y = plot.at(candidate)
    reference = candidate.origin == "reference"
    fill = "front" if won else "paper"
    line = "ink" if reference else "paper"
    return Mark(x, y, 4.8 if reference else 4.4, fill, line, symbol, _about(plot, candidate), candidate.id)


def _about(plot: _Plot, candidate: Candidate) -> str:
    figures = [
        f"{_short(o)} {quantity(candidate.objectives[o.name], o.unit)}" for o in (plot.upright, plot.across)
    ]
    broken = [] if candidate.breaks is None else [f"breaks a bound: {candidate.breaks}"]
    return "\n".join((candidate.name, *figures, *broken, candidate.pattern))


def _staircase(plot: _Plot, winners: list[Candidate]) -> list[Line]:
    if not winners:
        return []
    right, up = plot.across.direction == "max", plot.upright.direction == "max"
    steps = staircase([plot.at(c) for c in winners], right, not up)
    worst_x, worst_y = (LEFT if right else RIGHT), (BOTTOM if up else TOP)
    whole = ((steps[0][0], worst_y), *steps, (worst_x, steps[-1][1]))
    return [Line(whole, "front", 1.3)]


def _bars(plot: _Plot, winners: list[Candidate], across: Objective, upright: Objective) -> list[Line]:
    bars: list[Line] = []
    if len(winners) > _MOST_BARS:
        return bars
    for axis, objective in ((plot.x, across), (plot.y, upright)):
        ends = {
            c.id: [axis.fraction(end) for end in c.intervals[objective.name]]
            for c in winners
            if objective.name in c.intervals
        }
        lengths = sorted(high - low for low, high in ends.values())
        if not lengths or not 0.01 < lengths[len(lengths) // 2] <= _LONGEST_BAR:
            continue
        for candidate in winners:
            if candidate.id in ends:
                low, high = (min(max(end, 0.0), 1.0) for end in ends[candidate.id])
                x, y = plot.at(candidate)
                line = (
                    ((plot.px(low), y), (plot.px(high), y))
                    if axis is plot.x
                    else ((x, plot.py(low)), (x, plot.py(high)))
                )
                bars.append(Line(line, "front", 0.6))
    return bars
