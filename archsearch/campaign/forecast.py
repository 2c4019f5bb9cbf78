"""How much of a campaign is still to do, and how long that takes."""

import math
import statistics

from archsearch.campaign.file import Campaign
from archsearch.campaign.standing import Standing
from proxies.schedule import Schedule


def searched(campaign: Campaign) -> list[int]:
    """Searched candidates that train at each rung if nothing fails and the space is not exhausted."""
    search = campaign.search
    shares = [campaign.budget.promote**rung for rung in range(len(campaign.budget.rungs))]
    return [
        sum(math.ceil(share * search.wanted(generation)) for generation in range(search.generations))
        for share in shares
    ]


def expected_jobs(standing: Standing) -> list[int]:
    """Jobs of a campaign at each rung, and last those of the final training, of the front as it is now."""
    campaign = standing.ledger.campaign
    references = len(campaign.references)
    on_front = sum(record.origin == "searched" for record in standing.front)
    return [*(references + count for count in searched(campaign)), references + on_front]


def trainings(campaign: Campaign) -> str:
    """How many trainings the protocol asks for, in words; those stopped early and all replicates count."""
    budget, tasks, references = campaign.budget, len(campaign.tasks), len(campaign.references)
    rates = [sum(stage.rates for stage in budget.stages), *(1 for _ in budget.rungs[1:])]
    counts = [
        tasks
        * sum(
            number * (tried - 1 + budget.replicates(is_reference))
            for number, is_reference in ((candidates, False), (references, True))
        )
        for candidates, tried in zip(searched(campaign), rates, strict=True)
    ]
    each = tasks * budget.final_seeds
    by_rung = ", ".join(
        f"{count} of up to {steps} steps" for count, steps in zip(counts, budget.rungs, strict=True)
    )
    return (
        f"trainings: about {by_rung}; after the search {references * each} of the references and {each} of "
        f"each candidate on the front at {budget.rungs[-1]} steps"
    )


def share_done(standing: Standing) -> float:
    """Share of the jobs, and of the finalists' measurements once these are known, that is done."""
    ledger = standing.ledger
    done, expected = ledger.jobs.count, sum(expected_jobs(standing))
    if ledger.finalists is not None:
        done += len(ledger.measurement_seconds)
        expected += ledger.finalists.measurements
    return min(1.0, done / expected)


def seconds_left(standing: Standing, workers: int) -> float | None:
    """Time left in seconds, from the mean duration of the jobs so far; None before the first.

    A rung of which no job is done yet is taken to need as much time a step as the first. The time that
    finalists take is counted once the search is over; before, nobody knows it.
    """
    ledger = standing.ledger
    if ledger.finalists is not None:
        done = ledger.measurement_seconds
        open_ = max(0, ledger.finalists.measurements - len(done))
        if open_ and not done:
            return None
        return open_ * statistics.fmean(done) if open_ else 0.0
    if (first := ledger.jobs_by_rung.get(0)) is None:
        return None
    left, steps = 0.0, steps_of_jobs(ledger.campaign)
    for rung, expected in enumerate(expected_jobs(standing)):
        if (durations := ledger.jobs_by_rung.get(rung)) is not None:
            left += max(0, expected - durations.count) * durations.mean
        else:
            left += expected * first.mean * steps[rung] / steps[0]
    return left / workers


def steps_of_jobs(campaign: Campaign) -> list[int]:
    """Steps that a searched candidate is trained for on a task at each rung and in the final training."""
    budget = campaign.budget

    def kept(steps: int) -> int:
        """Steps that a longer training need not make again."""
        return Schedule(steps, budget.warmup, budget.decay_fraction).decay_start

    trained, before = 0, 0
    for stage in budget.stages:
        trained += stage.rates * (stage.steps - before)
        before = kept(stage.steps)
    first = trained + (budget.seeds - 1) * budget.rungs[0]
    later = [
        budget.seeds * (steps - kept(shorter))
        for shorter, steps in zip(budget.rungs[:-1], budget.rungs[1:], strict=True)
    ]
    return [first, *later, budget.final_seeds * budget.rungs[-1]]
