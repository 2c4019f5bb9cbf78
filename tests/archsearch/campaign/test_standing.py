"""Where a run stands, followed event by event: always the same as from the whole ledger at once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsearch.campaign.dominance import Archive, nondominated
from archsearch.campaign.events import Event, JobRecord, SessionBegan
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.hypervolume import hypervolume
from archsearch.campaign.journal import read_journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.standing import Standing
from archsearch.campaign.summary import candidate, history, ranked
from archsearch.executors import Failure
from hardware_profiles import Estimate
from support import GOLDEN, campaigns, naive_standing
from support.event_cases import candidate_record, trial_done

TASKS = ("text", "in-context-recall")
PROXIES = ("transformer++", "lfm2", "qwen3", "a", "b", "c")
REFERENCES = PROXIES[: campaigns.REFERENCES]
QUALITY = Objective("quality", "max")
COST = Objective("parameters", "min", at_most=6.0)
GAIN = Objective("decode_flops_per_token", "max", margin=0.2)
SIDES = {"values": (QUALITY, COST), "intervals": (QUALITY, COST, GAIN)}
POINT = {"quality": -5.0, COST.name: 6.0, GAIN.name: 1.0}

amounts = st.integers(1, 8).map(float)
causes = st.sampled_from([*7 * [None], "lost"])
rarely = st.sampled_from([*9 * [False], True])


@st.composite
def jobs(draw: st.DrawFn) -> JobRecord:
    """One rung of one proxy, or the training after the search: done, failed, failed in some trials, with a
    trial that got lost, with trials stopped early; older results and newer ones."""
    proxy, rung = draw(st.sampled_from(PROXIES)), draw(st.integers(0, 2))
    above, replicates = draw(st.booleans()), draw(st.integers(1, 3))
    trials = tuple(
        trial_done(
            f"{proxy}/{rung}/{task}/{rate}/{replicate}",
            task,
            draw(amounts) / 4 - 1,
            draw(amounts),
            draw(causes),
            draw(amounts) / 4 - 1 if above else None,
            replicate,
            draw(st.sampled_from([5, 5, 5, 4])),
        )
        for task in TASKS
        for rate in range(2)
        for replicate in range(replicates)
    )
    failed, lost = draw(rarely), draw(rarely)
    return JobRecord(
        candidate=f"f-{proxy}",
        proxy=proxy,
        rung=rung,
        seconds=1.0,
        startup_seconds=0.0,
        failure=Failure("error", "it broke") if failed else None,
        asked=tuple(trial.key for trial in trials),
        trials=() if failed else trials[lost:],
    )


@st.composite
def admissions(draw: st.DrawFn) -> Event:
    """A candidate; some share a proxy, some are rejected, some have no price."""
    proxy, number = draw(st.sampled_from(PROXIES)), draw(st.integers(0, 2))
    names = draw(st.sampled_from([(COST.name, GAIN.name), (COST.name, GAIN.name), (COST.name,), ()]))
    costs = {name: Estimate(*3 * [draw(amounts)]) for name in names}
    if number == 0 and proxy in REFERENCES:
        return candidate_record(proxy, True, costs=costs)
    dear = COST.name in costs and costs[COST.name].value > POINT[COST.name]
    return candidate_record(
        proxy, fingerprint=f"f-{proxy}-{number}", costs=costs, rejected="too dear" if dear else None
    )


@st.composite
def whole(draw: st.DrawFn) -> list[Event]:
    """A history in which the references are often judged."""
    events: list[Event] = draw(st.lists(admissions() | jobs() | jobs(), max_size=25))
    if draw(st.booleans()):
        for proxy in REFERENCES:
            rungs = draw(st.integers(2, 3))
            done = [draw(jobs().filter(lambda job: job.failure is None)) for _ in range(rungs)]
            place = draw(st.integers(0, len(events)))
            events[place:place] = [
                candidate_record(proxy, True, costs={COST.name: Estimate(2.0, 2.0, 2.0)}),
                *(retold(job, proxy, rung) for rung, job in enumerate(done)),
            ]
    return events


def retold(job: JobRecord, proxy: str, rung: int) -> JobRecord:
    """The trials of a job as those of another proxy and rung."""
    trials = tuple(
        trial_done(
            f"{proxy}/{rung}/{n}",
            trial.task,
            trial.result.score,
            trial.result.validation_loss,
            validation_score=trial.result.validation_score,
            replicate=trial.replicate,
        )
        for n, trial in enumerate(job.trials)
    )
    return JobRecord(
        candidate=f"f-{proxy}",
        proxy=proxy,
        rung=rung,
        seconds=1.0,
        startup_seconds=0.0,
        failure=None,
        asked=tuple(trial.key for trial in trials),
        trials=trials,
    )


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Campaign:
    folder = tmp_path_factory.mktemp("campaign")
    return campaigns.load(folder, campaigns.tiny(campaigns.text_folder(folder / "text")))


def stands_as_from_scratch(standing: Standing) -> None:
    """Compare all answers with the naive twin's, to the last digit."""
    ledger, objectives = standing.ledger, standing.objectives
    assert standing.counts == naive_standing.counts(ledger)
    assert [record.fingerprint for record in standing.front] == naive_standing.front(ledger, objectives)
    assert standing.front_size == len(standing.front)
    for rung in range(standing.last + 2):
        scale = standing.scale(rung)
        plain = scale and {
            task: (each.mean, each.divisor, each.noise, scale.weights[task])
            for task, each in scale.tasks.items()
        }
        assert plain == naive_standing.scale(ledger, rung)
        for record in ledger.candidates.values():
            proxy = record.proxy
            assert standing.chosen(proxy, rung) == naive_standing.chosen(ledger, proxy, rung)
            assert standing.failure(proxy, rung) == naive_standing.failure(ledger, proxy, rung)
            assert standing.scores(proxy, rung) == naive_standing.scores_of(ledger, proxy, rung)
            assert standing.quality(proxy, rung) == naive_standing.quality(ledger, proxy, rung)
            error, naive = (
                standing.quality_error(proxy, rung),
                naive_standing.quality_error(ledger, proxy, rung),
            )
            assert (error is None) == (naive is None)
            assert error is None or error == pytest.approx(naive, rel=1e-9)
            assert standing.values(record, rung) == naive_standing.values(ledger, record, rung, objectives)


def volumes_as_from_scratch(standing: Standing) -> None:
    """Compare hypervolumes; these are sums in another order."""
    ledger, objectives = standing.ledger, standing.objectives
    assert ledger.reference_point is not None
    point = tuple(ledger.reference_point[o.name] for o in objectives)
    points, naive = history(standing), naive_standing.history(ledger, objectives, point)
    assert [p.evaluations for p in points] == [p.evaluations for p in naive]
    assert [p.hypervolume for p in points] == pytest.approx([p.hypervolume for p in naive], rel=1e-12)
    if naive:
        assert standing.hypervolume == points[-1].hypervolume or standing.hypervolume == pytest.approx(
            naive[-1].hypervolume, rel=1e-12
        )


def began(objectives: Sequence[Objective]) -> SessionBegan:
    """The session that fixes the reference point."""
    point = {o.name: POINT[o.name] for o in objectives}
    return SessionBegan(executor="local", began=1.0, workers=1, reference_point=point)


@pytest.mark.parametrize("sides", SIDES)
@settings(deadline=None)
@given(events=whole())
def test_after_every_event_it_stands_as_from_scratch(campaign, sides: str, events: list[Event]) -> None:
    standing = Standing(Ledger(campaign), SIDES[sides])
    standing.ledger.apply(began(standing.objectives))
    for event in events:
        standing.ledger.apply(event)
        stands_as_from_scratch(standing)
    volumes_as_from_scratch(standing)


@settings(deadline=None)
@given(events=whole(), every=st.integers(1, 9))
def test_it_does_not_matter_how_often_it_is_asked(campaign, events: list[Event], every: int) -> None:
    ledger = Ledger(campaign)
    ledger.apply(began(SIDES["values"]))
    often = Standing(ledger, SIDES["values"])
    for number, event in enumerate(events):
        ledger.apply(event)
        if number % every == 0:
            assert sum(often.counts.values()) <= len(ledger.candidates)
    once = Standing(ledger, SIDES["values"])
    assert (often.counts, often.front, often.finished) == (once.counts, once.front, once.finished)
    assert history(often) == history(once)
    assert often.hypervolume == pytest.approx(once.hypervolume, rel=1e-12)
    assert ranked(often) == ranked(once)
    assert ranked(often)[: once.front_size] == once.front


@pytest.mark.parametrize("name", ["", "-finalists", "-stored"])
def test_golden_runs_stand_as_from_scratch_after_every_event(name: str) -> None:
    campaign = load_campaign(GOLDEN / f"campaign-v1{name}.yaml")
    objectives = tuple(section.objective(campaign.references) for section in campaign.objectives)
    standing = Standing(Ledger(campaign), objectives)
    for event in read_journal(GOLDEN / f"journal-v1{name}.jsonl")[0]:
        standing.ledger.apply(event)
        stands_as_from_scratch(standing)
        volumes_as_from_scratch(standing)
    assert standing.counts["evaluated"] > 0
    for record in standing.ledger.candidates.values():
        status = standing.status(record)
        assert status is None or candidate(record, standing).status == status


rows = st.lists(st.tuples(amounts, amounts, amounts), max_size=30)


@given(rows, st.sampled_from([0.0, 0.3]))
def test_an_archive_keeps_what_no_other_dominates(values: list[tuple[float, ...]], margin: float) -> None:
    objectives = (QUALITY, COST, replace(GAIN, margin=margin))
    archive = Archive(objectives)
    for number, row in enumerate(values):
        before = archive.members
        assert archive.add(str(number), row) == (archive.members != before)
    kept = nondominated(values, objectives)
    assert archive.members == [str(number) for number, keep in enumerate(kept) if keep]
    members = [row for row, keep in zip(values, kept, strict=True) if keep]
    assert [tuple(row) for row in archive.values] == members


@given(rows)
def test_only_the_outline_has_volume(values: list[tuple[float, ...]]) -> None:
    objectives = (QUALITY, COST, replace(GAIN, margin=0.0))
    archive, point = Archive(objectives), (0.0, 9.0, 0.0)
    for number, row in enumerate(values):
        archive.add(str(number), row)
    volume = hypervolume(archive.values, objectives, point)
    assert volume == pytest.approx(hypervolume(values, objectives, point))


def test_a_candidate_admitted_late_leads_by_the_trials_of_its_twin(campaign) -> None:
    """Two layouts with one proxy are trained once; the second is placed when it arrives."""
    standing = Standing(Ledger(campaign), SIDES["values"])
    standing.ledger.apply(began(standing.objectives))
    dear, cheap = ({COST.name: Estimate(value, value, value)} for value in (3.0, 1.0))
    for proxy in (*REFERENCES, "a"):
        standing.ledger.apply(candidate_record(proxy, proxy != "a", costs=dear))
        for rung in (0, 1):
            trials = tuple(trial_done(f"{proxy}/{rung}/{task}", task, 0.5, 1.0) for task in TASKS)
            standing.ledger.apply(
                JobRecord(
                    candidate=f"f-{proxy}",
                    proxy=proxy,
                    rung=rung,
                    seconds=1.0,
                    startup_seconds=0.0,
                    failure=None,
                    asked=tuple(trial.key for trial in trials),
                    trials=trials,
                )
            )
    assert standing.front_size == len(REFERENCES) + 1
    before = standing.hypervolume
    standing.ledger.apply(candidate_record("a", fingerprint="twin", costs=cheap))
    assert [record.fingerprint for record in standing.front] == ["twin"]
    assert standing.hypervolume > before
