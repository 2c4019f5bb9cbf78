"""`run` and `resume`: a campaign from its file to its report."""

import contextlib
import logging
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from archsearch.campaign.directory import LoadedRun, RunDirectory, load_run, resolve_devices
from archsearch.campaign.events import RunFinished, RunStopped, SessionBegan
from archsearch.campaign.file import Campaign
from archsearch.campaign.forecast import trainings
from archsearch.campaign.hypervolume import reference_point
from archsearch.campaign.identity import (
    check_campaign,
    check_data,
    check_training,
    data_hashes,
    data_notes,
    is_extended,
    recorded,
)
from archsearch.campaign.journal import Journal
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.remarks import edge_remarks, refuse_nothing
from archsearch.campaign.results import Results
from archsearch.evaluation.conformance import refuse_broken
from archsearch.evaluation.evaluator import Evaluator
from archsearch.evidence.finalists import (
    check_finalists,
    check_places,
    measure_finalists,
    places,
    trust_commands,
)
from archsearch.executors import Executor, WorkerSettings, make_executor
from archsearch.reporting.report import PAGE, write_report
from archsearch.search.generations import Loop
from genomes.errors import named, refused
from hardware_profiles.measuring.this_machine import default_cache_dir
from proxies.tasks import text
from proxies.trial import TRAINING_VERSION, library_versions

ExecutorName = Literal["ray", "local"]
Watch = Callable[["Look"], None]
Say = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workers:
    """Where trials run."""

    executor: ExecutorName = "ray"
    address: str | None = None
    count: int | None = None
    """Number of workers; None: as many as there is room for."""


@dataclass(frozen=True)
class Look:
    """A run while it goes on, as its display sees it."""

    loaded: LoadedRun
    evaluator: Evaluator
    workers: int
    started: float


def run(
    campaign: Campaign,
    out: Path | str | None = None,
    workers: Workers | None = None,
    watch: Watch | None = None,
    say: Say | None = None,
) -> Results:
    """Run a campaign into a new directory (`runs/NAME` by default) and write its report.

    Raises `InvalidInput` before anything is made where the campaign cannot be carried out or the directory
    exists; `RuntimeError` where workers cannot start or no reference can be trained. Whatever ends it, what
    was computed stays, and `resume` goes on. Raises `NothingFoundError` at the very end, its report written,
    where no searched candidate reached the last rung. `say` hears how much is to be trained, and remarks.
    """
    directory = RunDirectory(Path(out) if out is not None else Path("runs") / campaign.name)
    if directory.path.exists():
        raise refused(
            "out",
            directory.path,
            "a new directory, since a run never overwrites another",
            "choose another --out, or go on with this run by archsearch resume "
            + shlex.quote(str(directory.path)),
        )
    text.forget()
    campaign.check()
    refuse_broken(campaign.blocks(), campaign.proxy.width)
    devices = resolve_devices(campaign, say)
    pricing = Pricing.of(campaign, devices)
    _price_references(campaign, pricing)
    _remark([*campaign.deeper_references(), *data_notes(campaign)], say)
    _remark(_price_choices(campaign, pricing), say)
    if campaign.finalists.count:
        trust_commands(pricing)
    check_finalists(campaign, pricing)
    if say is not None:
        say(trainings(campaign))
    workers = workers or Workers()
    executor = _executor(campaign, workers)  # first, so that a wrong address leaves no directory
    try:
        directory.create(campaign, devices)
        loaded = load_run(directory.path)
    except BaseException:
        executor.close()
        raise
    return _carry_on(loaded, workers, executor, watch, say)


def resume(
    path: Path | str,
    workers: Workers | None = None,
    watch: Watch | None = None,
    say: Say | None = None,
    overrides: Sequence[str] = (),
    retry_failed: bool = False,
    allow_commands: bool = False,
) -> Results:
    """Go on with a run where it stopped; a finished one only gives its results.

    Trials that were in flight are run again, nothing else. By default on the executor that the run had.
    `overrides` are `key=value` as for `run`: `search.generations` may grow, which extends a finished run too,
    and `budget.timeout_s` and `finalists` may change. With `retry_failed`, candidates that failed are trained
    again. Commands of devices are started only where this user named them before, or with `allow_commands`: a
    run directory may be somebody else's. `say` hears of damaged lines of the journal; what they held is read
    elsewhere or trained again.

    Raises `InvalidInput` where the campaign, its data or the training code are not those that the run was
    begun with, before anything is trained or written, and `NothingFoundError` as `run` does.
    """
    loaded = load_run(path, overrides)
    begun, where = loaded.ledger.last_session, str(loaded.directory.path)
    for damage in loaded.damages:
        if say is not None:
            say(f"{loaded.directory.journal}: {damage}")
    check_campaign(loaded.campaign, begun, where)
    if not goes_on(loaded, retry_failed):
        results = loaded.results()
        if not (loaded.directory.report / PAGE).exists():  # killed while it was written
            write_report(results, loaded.directory.report)
        if loaded.ledger.training == TRAINING_VERSION:  # one of older versions ended as it did
            refuse_nothing(results)
        return results
    check_training(loaded.ledger.training, where)
    text.forget()
    loaded.campaign.check()
    check_data(data_hashes(loaded.campaign), begun, where)
    _remark(_other_versions(begun), say)
    if loaded.campaign.finalists.count:
        if allow_commands:
            trust_commands(loaded.pricing)
        check_places(places(loaded.pricing))
    retries = retry_failed and bool(loaded.ledger.failures)
    return _carry_on(loaded, workers or _last_workers(loaded), None, watch, say, retries)


def goes_on(loaded: LoadedRun, retry_failed: bool = False) -> bool:
    """Whether there is anything left to do in a run."""
    ledger = loaded.ledger
    extended = is_extended(loaded.campaign, ledger.last_session)
    return not ledger.finished or extended or (retry_failed and bool(ledger.failures))


def _other_versions(begun: SessionBegan | None) -> list[str]:
    """In words, what is not of the version that the last session had: rounding may differ."""
    before, now = (begun.versions if begun is not None else None) or {}, library_versions()
    return [
        f"{name} is {now[name]}, when the run was begun {before[name]}: last digits of scores may differ"
        for name in now
        if before.get(name, now[name]) != now[name]
    ]


def _last_workers(loaded: LoadedRun) -> Workers:
    """Workers as the last session had them.

    Raises `InvalidInput` where they were of a cluster elsewhere: who joins one lets it run code here, and the
    journal may be somebody else's.
    """
    last = loaded.ledger.last_session
    if last is not None and last.address not in (None, "auto"):
        raise refused(
            "address",
            last.address,
            "an address that you give",
            f"it is what the last session joined; give it by --address {shlex.quote(last.address)} if you "
            "know that cluster",
        )
    return Workers() if last is None else Workers(last.executor, last.address, last.asked_workers)


def _executor(campaign: Campaign, workers: Workers) -> Executor:
    budget = campaign.budget
    settings = WorkerSettings(threads=budget.threads, platform=budget.platform, timeout_s=budget.timeout_s)
    return make_executor(workers.executor, workers.count, workers.address, settings)


def _carry_on(
    loaded: LoadedRun,
    workers: Workers,
    executor: Executor | None,
    watch: Watch | None,
    say: Say | None,
    retries: bool = False,
) -> Results:
    """Do what is left, on an executor that is closed afterwards; None: on one as `workers` says."""
    campaign, directory, ledger = loaded.campaign, loaded.directory, loaded.ledger
    started = time.time()
    with Journal(directory.journal) as journal:
        with executor or _executor(campaign, workers) as executor:
            if executor.place:
                _remark([f"trials run on {executor.place}"], say)
            event = SessionBegan(
                place=executor.place or None,
                executor=workers.executor,
                address=workers.address,
                asked_workers=workers.count,
                workers=executor.workers,
                began=started,
                reference_point=_reference_point(loaded),
                training=TRAINING_VERSION,
                campaign=recorded(campaign),
                data=data_hashes(campaign),
                data_notes=tuple(data_notes(campaign)),
                versions=library_versions(),
                retries=retries,
            )
            directory.rewrite(campaign)
            journal.write(event)
            ledger.apply(event)

            def look() -> None:
                if watch is not None:
                    watch(view)

            cache = default_cache_dir() / "compiled"
            evaluator = Evaluator(campaign, directory.path, loaded.standing, journal, executor, cache, look)
            view = Look(loaded, evaluator, executor.workers, started)
            with _stop_noted(journal):
                Loop(directory, loaded.standing, journal, loaded.pricing, evaluator).run()
        # The workers are gone: what is measured has the machine to itself.
        with _stop_noted(journal):
            measure_finalists(loaded, journal, look)
        finished = RunFinished()
        journal.write(finished)
        ledger.apply(finished)
        look()
    results = loaded.results()
    write_report(results, directory.report)
    if say is not None:
        for remark in edge_remarks(ledger):
            say(remark)
    refuse_nothing(results)
    return results


@contextlib.contextmanager
def _stop_noted(journal: Journal) -> Iterator[None]:
    """Write down why a run was left before its end."""
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):  # a full disk must not hide the cause
            journal.write(RunStopped(reason=f"{type(error).__name__}: {error}".removesuffix(": ")))
        raise


def _price_references(campaign: Campaign, pricing: Pricing) -> None:
    """Find out before the run whether every objective can be priced."""
    for name in campaign.references:
        with named(f"reference {name}"):
            pricing.costs(campaign.priced(campaign.reference(name)))


def _price_choices(campaign: Campaign, pricing: Pricing) -> list[str]:
    """Find out before the run whether candidates can be priced as they may be stored, and in words where only
    a roofline prices them. The first reference that has a price is tried; a runtime may not run the others.
    """
    layouts = [campaign.reference(name) for name in campaign.references]
    priced = [each for each in layouts if pricing.judged(campaign.priced(each))[0]]
    remarks: list[str] = []
    for stored in campaign.search_space.stored.combinations() if priced else ():
        architecture = campaign.priced(replace(priced[0], **stored))
        chosen = ", ".join(f"{what} {dtype}" for what, dtype in stored.items())
        with named(f"space: candidates stored in {chosen}"):
            pricing.costs(architecture)
        remarks += pricing.unmeasured_types(architecture)
    return list(dict.fromkeys(remarks))


def _remark(remarks: list[str], say: Say | None) -> None:
    for remark in remarks:
        _log.warning(remark)
        if say is not None:
            say(remark)


def _reference_point(loaded: LoadedRun) -> dict[str, float]:
    """The reference point of the run; the first session fixed it."""
    if loaded.ledger.reference_point is not None:
        return loaded.ledger.reference_point
    campaign = loaded.campaign
    costs = [loaded.pricing.costs(campaign.priced(campaign.reference(name))) for name in campaign.references]
    return reference_point(loaded.pricing.objectives, costs)
