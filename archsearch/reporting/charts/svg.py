"""A drawing as inline SVG: colours by class, so that the page's dark mode reaches it."""

from xml.etree import ElementTree

from markupsafe import Markup

from archsearch.reporting.charts.drawing import Box, Drawing, Item, Line, Mark, TextLine, corners


def svg(drawing: Drawing) -> Markup:
    """The `<svg>` element."""
    root = ElementTree.Element(
        "svg",
        {
            "viewBox": f"0 0 {drawing.width:g} {drawing.height:g}",
            "role": "img",
            "aria-label": drawing.alt,
        },
    )
    for item in drawing.items:
        _add(root, item)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _add(root: ElementTree.Element, item: Item) -> None:
    match item:
        case Line():
            attributes = {"class": f"line-{item.role} none", "points": _points(item.points)}
            attributes["stroke-width"] = f"{item.width:g}"
            if item.dashed:
                attributes["stroke-dasharray"] = "4 3"
            ElementTree.SubElement(root, "polyline", attributes)
        case Mark():
            element = ElementTree.SubElement(
                root, "circle" if item.symbol == "circle" else "polygon", _shape(item)
            )
            if item.about:
                ElementTree.SubElement(element, "title").text = item.about
        case Box():
            classes = f"fill-{item.fill}" + (f" line-{item.line}" if item.line else "")
            size = {"x": item.x, "y": item.y, "width": item.width, "height": item.height}
            ElementTree.SubElement(
                root, "rect", {"class": classes} | {key: f"{value:.1f}" for key, value in size.items()}
            )
        case TextLine():
            names = [f"fill-{item.role}"]
            flags = {"typewriter": item.mono, "bold": item.bold, "halo": item.halo}
            names += [name for name, on in flags.items() if on]
            attributes = {"class": " ".join(names), "x": f"{item.x:.1f}", "y": f"{item.y:.1f}"}
            attributes |= {"font-size": f"{item.size:g}", "text-anchor": item.anchor}
            if item.id:
                attributes["data-id"] = item.id
            ElementTree.SubElement(root, "text", attributes).text = item.text


def _shape(mark: Mark) -> dict[str, str]:
    attributes = {"class": f"mark fill-{mark.fill} line-{mark.line}"}
    if mark.id:
        attributes["data-id"] = mark.id
    if mark.symbol == "circle":
        return attributes | {"cx": f"{mark.x:.1f}", "cy": f"{mark.y:.1f}", "r": f"{mark.radius:g}"}
    return attributes | {"points": _points(corners(mark))}


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
