"""Which learning rate the trials in a ledger choose, and how often that lies at an edge of the grid."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from archsearch.campaign.ledger import Ledger, TrialRecord
from archsearch.campaign.rates import close
from proxies.trial import best_index


def full(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The longest of these trials: what was stopped earlier lost by then."""
    steps = max(trial.result.steps for trial in trials)
    return [trial for trial in trials if trial.result.steps == steps]


def best(trials: Sequence[TrialRecord]) -> TrialRecord:
    """The trial with the best rate by validation loss, among those of one task and replicate at a rung."""
    longest = full(trials)
    return longest[best_index([trial.result.validation_loss for trial in longest])]


def asked(ledger: Ledger, proxy: str, rung: int) -> dict[tuple[str, int], list[TrialRecord]]:
    """The known trials of a proxy at a rung by task and replicate; none where the job failed."""
    groups: dict[tuple[str, int], list[TrialRecord]] = defaultdict(list)
    if (proxy, rung) not in ledger.failures:
        for key in ledger.asked.get((proxy, rung), ()):
            if (trial := ledger.trials.get(key)) is not None:
                groups[trial.task, trial.replicate].append(trial)
    return groups


def close_ones(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that the next rung takes over, among those of one task and replicate: the best rate, and
    another whose validation loss is close; none where all failed.
    """
    losses = [(trial.result.validation_loss, trial) for trial in full(trials) if trial.result.status == "ok"]
    order = sorted(((loss, trial) for loss, trial in losses if loss is not None), key=lambda pair: pair[0])
    return [trial for _, trial in order[: close([loss for loss, _ in order])]] if order else []


@dataclass(frozen=True)
class EdgeChoices:
    """How often the rate chosen for a task is the smallest or the largest of the grid."""

    lower: int
    upper: int
    candidates: int
    """Candidates that have chosen a rate for the task, by their proxies."""


def edge_choices(ledger: Ledger) -> dict[str, EdgeChoices]:
    """The choices at the edges of `budget.learning_rates` by task, at the last rung that each proxy did."""
    budget = ledger.campaign.budget
    reached: dict[str, int] = {}
    for proxy, rung in ledger.asked:
        if rung < len(budget.rungs) and (proxy, rung) not in ledger.failures:
            reached[proxy] = max(rung, reached.get(proxy, 0))
    rates: dict[str, Counter[float]] = {task: Counter() for task in ledger.campaign.task_names}
    for proxy, rung in reached.items():
        for (task, replicate), trials in asked(ledger, proxy, rung).items():
            if replicate == 0 and (chosen := best(trials)).result.status == "ok":
                rates[task][chosen.result.learning_rate] += 1
    lower, upper = min(budget.learning_rates), max(budget.learning_rates)
    return {task: EdgeChoices(each[lower], each[upper], each.total()) for task, each in rates.items()}
