"""Where a run stands: what the trials in its ledger say of each candidate, and who leads.

A function of the ledger alone. It looks at each event once, whenever it is asked next, so that asking after
every event costs no more than asking at the end.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from archsearch.campaign.dominance import Archive
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.hypervolume import hypervolume, reference_corner
from archsearch.campaign.ledger import Ledger, TrialRecord
from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.quality import Scores, TaskScale, quality, reference_scale
from archsearch.campaign.results import Status
from proxies.tasks import TASKS
from proxies.trial import best_index

Chosen = Mapping[tuple[str, int], TrialRecord]
"""The trial with the best learning rate by task and replicate."""


@dataclass(frozen=True)
class Verdict:
    """What the trials of a proxy say at a rung."""

    chosen: Chosen | None = None
    """None before all are done, and where the job failed."""
    failure: str | None = None
    """Why it failed: its job, or every learning rate of some task."""
    scores: Scores | None = None
    """Score of each task, the mean over replicates; None where it failed or is not yet known."""


def verdict(ledger: Ledger, proxy: str, rung: int) -> Verdict:
    """Judge a proxy at a rung."""
    place = (proxy, rung)
    if place in ledger.failures:
        return Verdict(failure=ledger.failures[place])
    keys = ledger.asked.get(place)
    if keys is None or any(key not in ledger.trials for key in keys):
        return Verdict()
    groups: dict[tuple[str, int], list[TrialRecord]] = defaultdict(list)
    for key in keys:
        record = ledger.trials[key]
        groups[record.task, record.replicate].append(record)
    chosen = {
        where: group[best_index([record.result.validation_loss for record in group])]
        for where, group in groups.items()
    }
    scores: dict[str, list[float]] = defaultdict(list)
    for (task, _), record in chosen.items():
        if record.result.score is None or record.result.status != "ok":
            return Verdict(chosen, f"{task}: {record.result.cause}")
        scores[task].append(record.result.score)
    return Verdict(chosen, None, {task: statistics.fmean(values) for task, values in scores.items()})


class Standing:
    """Verdicts, quality, front and counts of a ledger as it is when asked."""

    _volume: tuple[tuple[float, ...], float] | None
    """Reference point and the hypervolume measured from it, until the front changes."""

    def __init__(self, ledger: Ledger, objectives: tuple[Objective, ...]) -> None:
        self.ledger, self.objectives = ledger, objectives
        campaign = ledger.campaign
        names = campaign.task_names
        self.last = len(campaign.budget.rungs) - 1
        """The last rung."""
        self._weights = {name: each.weight for name, each in zip(names, campaign.tasks, strict=True)}
        self._resolutions = {
            name: TASKS[each.task].resolution for name, each in zip(names, campaign.tasks, strict=True)
        }
        self._forget()

    def chosen(self, proxy: str, rung: int) -> Chosen | None:
        """The trials of a proxy that count at a rung; None before all are done."""
        return self._verdict(proxy, rung).chosen

    def failure(self, proxy: str, rung: int) -> str | None:
        """Why a proxy failed at a rung, or None."""
        return self._verdict(proxy, rung).failure

    def scores(self, proxy: str, rung: int) -> Scores | None:
        """Score of each task at a rung; None where not (yet) known."""
        return self._verdict(proxy, rung).scores

    def scale(self, rung: int) -> dict[str, TaskScale] | None:
        """What scores at a rung are measured with; None until every reference is done with the rung."""
        self._follow()
        return self._scales.get(rung)

    def quality(self, proxy: str, rung: int) -> float | None:
        """Quality of a proxy by its scores at a rung; None where not (yet) known."""
        scores, scale = self.scores(proxy, rung), self.scale(rung)
        return None if scores is None or scale is None else quality(scores, scale, self._weights)

    def failures(self, proxy: str) -> list[str]:
        """Why a proxy failed, by rung."""
        causes = (self.failure(proxy, rung) for rung in range(self.last + 1))
        return [cause for cause in causes if cause is not None]

    def last_rung(self, proxy: str) -> int:
        """The last rung finished without failure; -1 where none was."""
        rungs = range(self.last, -1, -1)
        return next((rung for rung in rungs if self.scores(proxy, rung) is not None), -1)

    def status(self, record: CandidateRecord) -> Status | None:
        """What became of a candidate; None where nothing is known yet."""
        if record.rejected is not None:
            return "rejected"
        if self.failures(record.proxy):
            return "failed"
        return "evaluated" if self.last_rung(record.proxy) >= 0 else None

    def values(self, record: CandidateRecord, rung: int) -> tuple[float, ...] | None:
        """Values of all objectives with the quality at a rung; None where quality or a price is not known."""
        worth = self.quality(record.proxy, rung)
        if worth is None or any(o.name != QUALITY and o.name not in record.costs for o in self.objectives):
            return None
        return tuple(worth if o.name == QUALITY else record.costs[o.name].value for o in self.objectives)

    def of_proxy(self, proxy: str) -> list[CandidateRecord]:
        """The candidates with a proxy, in the order of their first events."""
        self._follow()
        return [self.ledger.candidates[fingerprint] for fingerprint in self._by_proxy.get(proxy, ())]

    @property
    def counts(self) -> dict[str, int]:
        """Candidates by status, references included."""
        self._follow()
        return {status: self._counts[status] for status in get_args(Status)}

    @property
    def finished(self) -> dict[str, tuple[float, ...]]:
        """Values of the candidates of the last rung, by fingerprint."""
        self._follow()
        return self._finished

    @property
    def front(self) -> list[CandidateRecord]:
        """Non-dominated candidates of the last rung, best quality first."""
        self._follow()
        return self.by_quality(self._front.members)

    @property
    def front_size(self) -> int:
        """Number of candidates on the front."""
        self._follow()
        return len(self._front)

    @property
    def hypervolume(self) -> float:
        """Hypervolume of the front; 0 before the reference point is known."""
        self._follow()
        point = reference_corner(self.ledger, self.objectives)
        if point is None:
            return 0.0
        if self._volume is None or self._volume[0] != point:
            self._volume = point, hypervolume(self._outline.values, self.objectives, point)
        return self._volume[1]

    def by_quality(self, fingerprints: Iterable[str]) -> list[CandidateRecord]:
        """Candidates of the last rung, best quality first."""
        index = [o.name for o in self.objectives].index(QUALITY)
        order = sorted(fingerprints, key=lambda each: (-self._finished[each][index], each))
        return [self.ledger.candidates[each] for each in order]

    def _verdict(self, proxy: str, rung: int) -> Verdict:
        self._follow()
        return self._verdicts.get((proxy, rung), _NOTHING)

    def _forget(self) -> None:
        self._arrivals, self._completions = 0, 0
        self._verdicts: dict[tuple[str, int], Verdict] = {}
        self._by_proxy: dict[str, list[str]] = defaultdict(list)
        self._statuses: dict[str, Status | None] = {}
        self._counts: Counter[Status | None] = Counter()
        self._references: set[str] = set()
        self._scales: dict[int, dict[str, TaskScale]] = {}
        self._forget_front()

    def _forget_front(self) -> None:
        self._finished: dict[str, tuple[float, ...]] = {}
        self._front = Archive(self.objectives)
        # The hypervolume knows no margins.
        self._outline = Archive(tuple(replace(o, margin=0.0) for o in self.objectives))
        self._volume = None

    def _follow(self) -> None:
        """Take in what is new in the ledger."""
        ledger = self.ledger
        if (self._arrivals, self._completions) == (len(ledger.arrivals), len(ledger.completions)):
            return
        arrivals = dict.fromkeys(ledger.arrivals[self._arrivals :])
        completions = dict.fromkeys(ledger.completions[self._completions :])
        if arrivals.keys() & self._statuses.keys() or completions.keys() & self._verdicts.keys():
            # A journal that says something twice: the last word counts.
            self._forget()
            arrivals, completions = dict.fromkeys(ledger.candidates), dict.fromkeys(ledger.completions)
        self._arrivals, self._completions = len(ledger.arrivals), len(ledger.completions)

        for fingerprint in arrivals:
            record = ledger.candidates[fingerprint]
            self._by_proxy[record.proxy].append(fingerprint)
            if record.origin == "reference":
                self._references.add(record.proxy)
        for place in completions:
            self._verdicts[place] = verdict(ledger, *place)

        touched = dict.fromkeys(ledger.candidates[fingerprint].proxy for fingerprint in arrivals)
        touched |= dict.fromkeys(proxy for proxy, _ in completions)
        if touched.keys() & self._references:
            self._follow_references()
        for proxy in touched:
            for record in self.of_proxy(proxy):
                self._count(record)
                self._place(record)

    def _follow_references(self) -> None:
        """Quality has another scale where a reference is done: all candidates are placed anew."""
        before = self._scales.get(self.last)
        scales = {rung: self._reference_scale(rung) for rung in range(self.last + 1)}
        self._scales = {rung: scale for rung, scale in scales.items() if scale is not None}
        if self._scales.get(self.last) != before:
            self._forget_front()
            for proxy, rung in self._verdicts:
                if rung == self.last:
                    for record in self.of_proxy(proxy):
                        self._place(record)

    def _reference_scale(self, rung: int) -> dict[str, TaskScale] | None:
        """The scale by all references but failed ones; None until every one is done with the rung."""
        references = self.ledger.references()
        if len(references) < len(self.ledger.campaign.references):
            return None
        known: list[Scores] = []
        for record in references:
            scores = self.scores(record.proxy, rung)
            if scores is not None:
                known.append(scores)
            elif not any(self.failure(record.proxy, earlier) for earlier in range(rung + 1)):
                return None
        return reference_scale(known, self._resolutions)

    def _count(self, record: CandidateRecord) -> None:
        status = self.status(record)
        if record.fingerprint in self._statuses:
            self._counts[self._statuses[record.fingerprint]] -= 1
        self._statuses[record.fingerprint] = status
        self._counts[status] += 1

    def _place(self, record: CandidateRecord) -> None:
        """Put a candidate of the last rung where it belongs: on the front, or behind it."""
        if record.rejected is not None or record.fingerprint in self._finished:
            return
        values = self.values(record, self.last)
        if values is None:
            return
        self._finished[record.fingerprint] = values
        self._front.add(record.fingerprint, values)
        if self._outline.add(record.fingerprint, values):
            self._volume = None


_NOTHING = Verdict()
