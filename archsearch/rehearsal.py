"""`check`: what a campaign would do, found out without training anything."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from archsearch.campaign.directory import resolve_devices
from archsearch.campaign.file import Campaign
from archsearch.campaign.forecast import trainings
from archsearch.campaign.identity import data_notes
from archsearch.campaign.objectives import Objective
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.remarks import commonest
from genomes import InvalidInput, accounting, random_genome

SAMPLE = 200
"""Random genomes that are priced."""
SAMPLE_STREAM = 2
"""Part of their seed, so that their random numbers are no search's."""


@dataclass(frozen=True)
class Rehearsal:
    """What became known of a campaign."""

    campaign: Campaign
    objectives: tuple[Objective, ...]
    references: dict[str, dict[str, float]]
    """Price of each reference by full name of the objective."""
    breaking: dict[str, str]
    """Which bound a reference breaks, in words."""
    parameters: tuple[int, int, int]
    """10th, 50th and 90th percentile over the sample, at the proxy."""
    admitted: int
    """Genomes of the sample that no bound rejects."""
    rejected: list[tuple[str, int]]
    """The commonest causes of a rejection, and how many genomes each rejects."""
    trained_tokens: int
    """Tokens that one candidate sees at all rungs, all tasks and the first learning rate."""
    remarks: tuple[str, ...]
    """What `run` would say before it begins."""


def rehearse(campaign: Campaign, say: Callable[[str], None] | None = None) -> Rehearsal:
    """Check a campaign as `run` does, price its references and a sample of its space.

    Raises `InvalidInput` where the campaign cannot be carried out, also where bounds reject the whole sample.
    """
    campaign.check()
    pricing = Pricing.of(campaign, resolve_devices(campaign, say))
    references, breaking = {}, {}
    for name in campaign.references:
        costs = pricing.costs(campaign.priced(campaign.reference(name)))
        references[name] = {each: estimate.value for each, estimate in costs.items()}
        if (cause := pricing.rejection(costs)) is not None:
            breaking[name] = cause
    causes: Counter[str] = Counter()
    sizes, admitted = [], 0
    space, rng = campaign.search_space, np.random.default_rng([campaign.seed, SAMPLE_STREAM])
    for _ in range(SAMPLE):
        try:
            layout = campaign.at_budget(space.decode(random_genome(space, rng)))
            sizes.append(accounting.parameters(campaign.trained(layout)))
            cause = pricing.judged(campaign.priced(layout))[1]
        except InvalidInput as error:
            cause = str(error)
        if cause is None:
            admitted += 1
        else:
            causes[cause] += 1
    if not admitted:
        example = commonest(causes.elements())[0][0]
        raise InvalidInput(
            f"bounds reject all of {SAMPLE} random candidates, such as: {example}; legal: bounds that let "
            "some through; loosen them, or change space or target"
        )
    budget = campaign.budget
    low, middle, high = (int(each) for each in np.percentile(sizes, (10, 50, 90)))
    return Rehearsal(
        campaign=campaign,
        objectives=pricing.objectives,
        references=references,
        breaking=breaking,
        parameters=(low, middle, high),
        admitted=admitted,
        rejected=commonest(causes.elements()),
        trained_tokens=budget.rungs[-1] * budget.batch * budget.length * len(campaign.tasks),
        remarks=(*campaign.deeper_references(), *data_notes(campaign), trainings(campaign)),
    )
