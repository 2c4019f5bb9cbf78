"""The winners' layouts one below the other, the references below them, with quality and cost beside."""

from archsearch.campaign.objectives import QUALITY
from archsearch.campaign.results import Candidate, Results
from archsearch.reporting import facts
from archsearch.reporting.charts.drawing import (
    Box,
    Drawing,
    Item,
    Line,
    Picture,
    TextLine,
    text_width,
    wrapped,
)
from archsearch.reporting.charts.palette import KINDS
from archsearch.reporting.charts.strips import BlockCell, cells, stored
from archsearch.reporting.columns import objective_style
from archsearch.reporting.units import with_unit

MOST_ROWS = 40
_ROW, _CELL_HEIGHT, _COLUMN, _EDGE = 34.0, 26.0, 112.0, 16.0


def layouts_picture(results: Results) -> Picture:
    """One strip a winner, at most 40, then the references that are not among them."""
    winners = facts.winners(results)
    rows = winners[:MOST_ROWS]
    others = [c for c in facts.references(results) if c.id not in results.front and c.status == "evaluated"]
    strips = {c.id: cells(c) for c in rows + others}
    longest = max((len(strip) for strip in strips.values()), default=8)
    cell = min(max(640.0 / longest, 20.0), 52.0)
    widths = [max(text_width(c.name, 11, mono=True), text_width(stored(c), 9)) for c in rows + others]
    name = max(widths, default=60.0) + 18
    strip_left, columns_left = _EDGE + name, _EDGE + name + cell * longest + 12
    width = columns_left + _COLUMN * len(results.objectives) + _EDGE
    styles = {o.name: objective_style(o, rows + others) for o in results.objectives}
    heads = [wrapped(with_unit(o.label, styles[o.name].unit), 10, _COLUMN - 14) for o in results.objectives]

    items: list[Item] = _legend(strip_left)
    y = 40 + 12.5 * max((len(head) for head in heads), default=1)
    for number, head in enumerate(heads):
        for above, line in enumerate(reversed(head)):
            x = columns_left + _COLUMN * (number + 1)
            items.append(TextLine(x, y - 6 - 12.5 * above, line, 10, "muted", "end"))
    items.append(Line(((_EDGE, y), (width - _EDGE, y)), "rule"))
    y += 6
    for heading, group in (("", rows), ("references", others)):
        if heading and group:
            items.append(TextLine(_EDGE, y + 18, heading, 10.5, "muted"))
            items.append(Line(((_EDGE, y + 24), (width - _EDGE, y + 24)), "rule"))
            y += 30
        for candidate in group:
            items += _row(candidate, strips[candidate.id], cell, y, strip_left)
            for number, objective in enumerate(results.objectives):
                known = objective.metric != QUALITY or facts.at_last_rung(candidate, results)
                value = facts.value(candidate, objective) if known else None
                text = styles[objective.name].text(value)
                items.append(
                    TextLine(columns_left + _COLUMN * (number + 1), y + 21, text, 11.5, "ink", "end")
                )
            y += _ROW
    if not rows:
        items.append(TextLine(_EDGE, y + 20, "no candidate is on the front yet", 11.5, "muted"))
        y += _ROW
    if hidden := len(winners) - len(rows):
        items.append(TextLine(_EDGE, y + 16, f"and {hidden} more in front.csv", 10.5, "muted"))
        y += 22
    alt = f"Layouts of {len(rows)} winners and {len(others)} references, one coloured cell a block."
    return Picture("patterns", "Layouts", Drawing(max(width, 420.0), y + 10, alt, tuple(items)))


def _legend(left: float) -> list[Item]:
    items: list[Item] = []
    for kind, words in KINDS.items():
        items.append(Box(left, 10, 12, 12, kind, "rule"))
        items.append(TextLine(left + 17, 20, words, 10.5, "muted"))
        left += 32 + text_width(words, 10.5) * 0.95
    return items


def _row(candidate: Candidate, strip: list[BlockCell], width: float, y: float, left: float) -> list[Item]:
    own = candidate.origin == "searched"
    types = stored(candidate)
    items: list[Item] = [
        TextLine(_EDGE, y + (15 if types else 21), candidate.name, 11, "ink", mono=own, bold=not own)
    ]
    if types:
        items.append(TextLine(_EDGE, y + 28, types, 9, "muted"))
    for number, cell in enumerate(strip):
        x = left + width * number
        border = "rule" if cell.role == "skip" else None
        items.append(Box(x, y + 4, width - 2, _CELL_HEIGHT, cell.role, border))
        middle = x + (width - 2) / 2
        for line, text, size in _inside(cell, width - 4):
            items.append(TextLine(middle, y + 4 + line, text, size, f"on-{cell.role}", "middle"))
    return items


def _inside(cell: BlockCell, width: float) -> list[tuple[float, str, float]]:
    """Baseline, text and size of what fits into a cell: the operator, and below it the detail."""
    lines = [(16.5, cell.operator, 9.5)]
    if cell.detail:
        lines = [(11.5, cell.operator, 9.5), (22.0, cell.detail, 9.0)]
    sizes = [min(size, width / max(text_width(text, 1.0), 1e-9)) for _, text, size in lines]
    return [(line, text, size) for (line, text, _), size in zip(lines, sizes, strict=True) if size >= 6]
