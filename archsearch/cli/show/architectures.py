"""What `archsearch architectures` prints."""

from rich.console import Console
from rich.markup import escape

from archsearch.cli.show.tables import new_table
from genomes import REFERENCES, accounting, model, model_names, reference
from genomes.errors import refused


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
        raise refused("architecture", name, ", ".join([*REFERENCES, *model_names()]))
