"""What `archsearch architectures` prints."""

from rich.console import Console
from rich.markup import escape

from archsearch.cli.show.tables import new_table
from genomes import REFERENCES, Scale, accounting, model, model_names, parse_layout, reference
from genomes.errors import refused, unknown
from genomes.operators import operator_table


def architectures(name: str | None, console: Console) -> None:
    """Reference layouts and published models, or one of them."""
    if name is None:
        table = new_table("reference layouts", "name", "layout", "source")
        for known in REFERENCES.values():
            table.add_row(known.name, escape(known.motif), known.source)
        console.print(table)
        table = new_table("published models", "name", "parameters", "blocks", "width")
        for known_model in model_names():
            a = model(known_model)
            table.add_row(known_model, f"{accounting.parameters(a):,}", str(len(a.blocks)), str(a.width))
        console.print(table)
    elif name in model_names():
        print(model(name).to_json(), end="")  # noqa: T201
    elif name in REFERENCES:
        known = reference(name)
        console.print(f"{known.motif}\n{known.source}", highlight=False, markup=False)
    else:
        raise unknown("architecture", name, [*REFERENCES, *model_names()])


def scaled(name: str | None, scale: Scale) -> None:
    """Print a reference, or a layout as it is written, as an architecture file. Raises `InvalidInput`."""
    if name is None:
        raise refused("name", "", "a reference or a layout, which --width makes a file")
    if name in REFERENCES:
        layout = reference(name).layout(1)
    elif "(" in name or " " in name or name in operator_table():
        layout = parse_layout(name)
    else:
        raise unknown("reference", name, REFERENCES, "; or a layout such as 'attention swiglu(4)'")
    print(layout.at(scale, name if name in REFERENCES else "").to_json(), end="")  # noqa: T201
