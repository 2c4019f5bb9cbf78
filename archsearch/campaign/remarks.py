"""What is said at the end of a run: rates at the edge of the grid, a search that came to nothing."""

import re
from collections import Counter
from collections.abc import Iterable

from archsearch.campaign.choices import edge_choices
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.results import Results

MOST_CAUSES = 3
"""Most causes that a message names."""


class NothingFoundError(RuntimeError):
    """A run is over, and no searched candidate reached its last rung."""


def edge_remarks(ledger: Ledger) -> list[str]:
    """A sentence for each task of which more than half of the candidates chose one edge of the rates."""
    rates = ledger.campaign.budget.learning_rates
    remarks = []
    for task, choices in edge_choices(ledger).items():
        for which, rate, count in (
            ("smallest", min(rates), choices.lower),
            ("largest", max(rates), choices.upper),
        ):
            if 2 * count > choices.candidates:
                remarks.append(
                    f"{task}: {count} of {choices.candidates} candidates chose the {which} learning rate, "
                    f"{rate:g}, so the best one may lie beyond; budget.learning_rates should reach further"
                )
    return remarks


def refuse_nothing(results: Results) -> None:
    """Raise `NothingFoundError` where no searched candidate was trained to the last rung, with the causes."""
    searched = [each for each in results.candidates if each.origin == "searched"]
    last = len(results.rungs) - 1
    if any(each.status == "evaluated" and each.rung == last for each in searched):
        return
    statuses = Counter(each.status for each in searched)
    causes = commonest(each.cause for each in searched if each.cause is not None)
    raise NothingFoundError(
        f"no searched candidate was trained to the last rung: of {len(searched)}, bounds rejected "
        f"{statuses['rejected']}, {statuses['failed']} failed and {statuses['evaluated']} went no further"
        + "".join(f"; {count} times: {cause}" for cause, count in causes)
        + "; loosen what rejects them, or change space or budget, and run the campaign anew"
    )


def commonest(causes: Iterable[str]) -> list[tuple[str, int]]:
    """The commonest causes, with an example of each; those that differ in their numbers count as one."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for cause in causes:
        kind = re.sub(r"\d[\d.e+-]*", "#", cause)
        examples.setdefault(kind, cause)
        counts[kind] += 1
    return [(examples[kind], count) for kind, count in counts.most_common(MOST_CAUSES)]
