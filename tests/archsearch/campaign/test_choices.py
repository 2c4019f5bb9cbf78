"""Which rate trials choose, what goes on to the next rung, and what lies at the edge of the grid."""

from dataclasses import replace

import pytest

from archsearch.campaign.choices import EdgeChoices, best, close_ones, edge_choices
from archsearch.campaign.events import JobRecord, TrialDone
from archsearch.campaign.ledger import Ledger, TrialRecord
from archsearch.campaign.rates import CLOSE_NATS
from archsearch.campaign.remarks import edge_remarks
from archsearch.executors import Failure
from support import campaigns
from support.event_cases import trial_done

TASKS = ("text", "in-context-recall")
RATES = (1e-3, 3e-3, 1e-2)


def trial(
    rate: float, loss: float | None, steps: int = 5, task: str = "text", replicate: int = 0
) -> TrialDone:
    """A trial at a rate; without a loss it failed."""
    done = trial_done(f"{task}/{rate}/{steps}/{replicate}", task, 0.5, loss, None if loss else "it broke")
    result = replace(done.result, learning_rate=rate, steps=steps)
    return replace(done, replicate=replicate, result=result)


def record(done: TrialDone) -> TrialRecord:
    return TrialRecord(done.key, done.id, "f", done.task, 0, done.replicate, done.directory, done.result)


def job(proxy: str, rung: int, trials: list[TrialDone], failure: Failure | None = None) -> JobRecord:
    trials = [replace(each, key=f"{proxy}/{rung}/{each.key}") for each in trials]
    return JobRecord(
        candidate=f"f-{proxy}",
        proxy=proxy,
        rung=rung,
        seconds=1.0,
        startup_seconds=0.0,
        failure=failure,
        asked=tuple(each.key for each in trials),
        trials=tuple(trials),
    )


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    data = campaigns.tiny(campaigns.text_folder(tmp_path / "text"))
    data["budget"]["learning_rates"] = list(RATES)
    return Ledger(campaigns.load(tmp_path, data))


def test_what_was_stopped_early_is_not_chosen_however_good_it_looked() -> None:
    trials = [
        record(trial(*each)) for each in ((1e-3, 1.0, 20), (3e-3, 1.2, 20), (1e-2, 9.0, 20), (3e-3, 1.1, 40))
    ]
    assert best(trials).result.learning_rate == 3e-3
    assert best(trials).result.steps == 40


def test_close_rates_go_on_the_best_first_and_failed_ones_never() -> None:
    losses = {1e-3: 2.0 + CLOSE_NATS / 2, 3e-3: 2.0, 1e-2: None, 3e-2: 2.0 + CLOSE_NATS / 3}
    trials = [record(trial(rate, loss)) for rate, loss in losses.items()]
    assert [each.result.learning_rate for each in close_ones(trials)] == [3e-3, 3e-2]
    assert close_ones([record(trial(1e-2, None))]) == []
    far = [record(trial(rate, loss)) for rate, loss in ((1e-3, 2.0 + 2 * CLOSE_NATS), (3e-3, 2.0))]
    assert [each.result.learning_rate for each in close_ones(far)] == [3e-3]


def test_choices_at_the_edges_are_counted_at_the_last_rung_of_each(ledger) -> None:
    for proxy, text in (("a", 1e-2), ("b", 1e-2), ("c", 3e-3), ("d", 1e-3)):
        recall = [trial(rate, 1.0 if rate == 3e-3 else 2.0, task=TASKS[1]) for rate in RATES]
        ledger.apply(job(proxy, 0, [*(trial(rate, 1.0 if rate == text else 2.0) for rate in RATES), *recall]))
    both = [trial(3e-3, 1.0, 10), trial(1e-2, 1.1, 10), trial(3e-3, 1.0, 10, TASKS[1])]
    ledger.apply(job("a", 1, both))  # the other one was better for longer
    ledger.apply(job("b", 2, [trial(3e-3, 1.0, 10), trial(3e-3, 1.0, 10, TASKS[1])]))  # the final training
    assert edge_choices(ledger) == {TASKS[0]: EdgeChoices(1, 1, 4), TASKS[1]: EdgeChoices(0, 0, 4)}
    assert edge_remarks(ledger) == []


def test_failed_ones_and_further_replicates_choose_nothing(ledger) -> None:
    assert edge_choices(ledger) == dict.fromkeys(TASKS, EdgeChoices(0, 0, 0))
    ledger.apply(job("a", 0, [trial(1e-2, None), trial(1e-3, None)]))
    ledger.apply(job("b", 0, [], Failure("error", "it broke")))
    ledger.apply(job("c", 0, [trial(1e-2, 1.0), trial(1e-2, 1.0, replicate=1)]))
    assert edge_choices(ledger)["text"] == EdgeChoices(0, 1, 1)


def test_an_edge_that_most_choose_is_remarked(ledger) -> None:
    for proxy, rate in (("a", 1e-2), ("b", 1e-2), ("c", 1e-3)):
        ledger.apply(job(proxy, 0, [trial(rate, 1.0), trial(3e-3, 2.0), trial(3e-3, 1.0, task=TASKS[1])]))
    (remark,) = edge_remarks(ledger)
    assert remark.startswith("text: 2 of 3 candidates chose the largest learning rate, 0.01, so")
    assert "budget.learning_rates" in remark
