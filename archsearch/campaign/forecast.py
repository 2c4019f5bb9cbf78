"""How much of a campaign is still to do, and how long that takes."""

import math
import statistics

from archsearch.campaign.ledger import Ledger


def expected_jobs(ledger: Ledger) -> list[int]:
    """How many jobs a campaign has at each rung if nothing fails and the space is not exhausted."""
    search, budget = ledger.campaign.search, ledger.campaign.budget
    references, later = len(ledger.campaign.references), search.generations - 1
    shares = [budget.promote**rung for rung in range(len(budget.rungs))]
    return [
        references
        + math.ceil(share * search.population)
        + later * math.ceil(share * (search.population - search.elites))
        for share in shares
    ]


def share_done(ledger: Ledger) -> float:
    """Share of the jobs, and of the finalists' measurements once these are known, that is done."""
    done, expected = ledger.jobs.count, sum(expected_jobs(ledger))
    if ledger.finalists is not None:
        done += len(ledger.measurement_seconds)
        expected += ledger.finalists.measurements
    return min(1.0, done / expected)


def seconds_left(ledger: Ledger, workers: int) -> float | None:
    """Time left in seconds, from the mean duration of the jobs so far; None before the first.

    The time that finalists take is counted once the search is over; before, nobody knows it.
    """
    if ledger.finalists is not None:
        done = ledger.measurement_seconds
        open_ = max(0, ledger.finalists.measurements - len(done))
        if open_ and not done:
            return None
        return open_ * statistics.fmean(done) if open_ else 0.0
    steps, rates = ledger.campaign.budget.rungs, len(ledger.campaign.budget.learning_rates)
    jobs = [ledger.jobs_by_rung.get(rung) for rung in range(len(steps))]
    if jobs[0] is None:
        return None
    first, left = jobs[0].mean, 0.0
    for rung, expected in enumerate(expected_jobs(ledger)):
        if (durations := jobs[rung]) is not None:
            left += max(0, expected - durations.count) * durations.mean
        else:  # a later rung trains one learning rate further
            left += expected * first * (steps[rung] - steps[rung - 1]) / (steps[0] * rates)
    return left / workers
