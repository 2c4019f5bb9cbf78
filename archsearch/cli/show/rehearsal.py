"""What `archsearch check` prints."""

from rich.console import Console
from rich.markup import escape

from archsearch.campaign.objectives import QUALITY
from archsearch.cli.show.tables import new_table
from archsearch.rehearsal import SAMPLE, Rehearsal
from archsearch.reporting import units


def rehearsal(known: Rehearsal, console: Console) -> None:
    """The space, the references' prices, what bounds reject, and how much is trained."""
    campaign = known.campaign
    space, (low, middle, high) = campaign.search_space, known.parameters
    console.print(f"{campaign.name}: {space.size:.3g} genomes of at most {space.depth} blocks", markup=False)
    console.print(
        f"proxies of {middle:,} parameters (most between {low:,} and {high:,}), which see "
        f"{known.trained_tokens:,} tokens up to the last rung",
        highlight=False,
        markup=False,
    )
    costs = [o for o in known.objectives if o.metric != QUALITY]
    table = new_table("references, as they are priced", "layout")
    styles = [units.style_for(o.unit, [row[o.name] for row in known.references.values()]) for o in costs]
    for o, style in zip(costs, styles, strict=True):
        table.add_column(escape(units.with_unit(o.figure, style.unit)), justify="right", overflow="fold")
    table.add_column("bounds", overflow="fold")
    for name, row in known.references.items():
        cells = [style.text(row[o.name]) for o, style in zip(costs, styles, strict=True)]
        table.add_row(*map(escape, [name, *cells, "broken" if name in known.breaking else "kept"]))
    console.print(table)
    for name, cause in known.breaking.items():
        console.print(f"{name}: {cause}", highlight=False, markup=False)
    for o in costs:
        console.print(o.label, highlight=False, markup=False)
    console.print(f"bounds let through {known.admitted} of {SAMPLE} random candidates", markup=False)
    for cause, count in known.rejected:
        console.print(f"{count} rejected, such as: {cause}", highlight=False, markup=False)
    for remark in known.remarks:
        console.print(remark, highlight=False, markup=False)
