"""Where a run stands: what the trials in its ledger say of each candidate, and who leads.

A function of the ledger alone. It looks at each event once, whenever it is asked next, so that asking after
every event costs no more than asking at the end.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from archsearch.campaign.dominance import Archive
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.hypervolume import hypervolume, reference_corner
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import QUALITY, Objective, broken_bound
from archsearch.campaign.quality import RungScale, Scores, quality, quality_error, shares
from archsearch.campaign.results import FinalTraining, Status
from archsearch.campaign.scales import task_scales, weights_in_effect
from archsearch.campaign.verdict import NOTHING, Chosen, Verdict, judge
from proxies.tasks import TASKS


class Standing:
    """Verdicts, quality, front and counts of a ledger as it is when asked."""

    _volume: tuple[tuple[float, ...], float] | None
    """Reference point and the hypervolume measured from it, until the front changes."""

    def __init__(self, ledger: Ledger, objectives: tuple[Objective, ...]) -> None:
        self.ledger, self.objectives = ledger, objectives
        campaign = ledger.campaign
        names = campaign.task_names
        self.last = len(campaign.budget.rungs) - 1
        """The last rung; the one beyond it is the training after the search."""
        self.weights = {name: each.weight for name, each in zip(names, campaign.tasks, strict=True)}
        """Weight of each task as the campaign says, in its order."""
        self._resolutions = {
            name: TASKS[each.task].resolution for name, each in zip(names, campaign.tasks, strict=True)
        }
        self._forget()

    def chosen(self, proxy: str, rung: int) -> Chosen | None:
        """The trials of a proxy that count at a rung; None before all are done."""
        return self.verdict(proxy, rung).chosen

    def failure(self, proxy: str, rung: int) -> str | None:
        """Why a proxy failed at a rung, or None."""
        return self.verdict(proxy, rung).failure

    def scores(self, proxy: str, rung: int) -> Scores | None:
        """Score of each task at a rung; None where not (yet) known."""
        return self.verdict(proxy, rung).scores

    def verdict(self, proxy: str, rung: int) -> Verdict:
        """What the trials of a proxy say at a rung."""
        self._follow()
        return self._verdicts.get((proxy, rung), NOTHING)

    def scale(self, rung: int) -> RungScale | None:
        """What scores at a rung are measured with; None until every reference is done with the rung."""
        self._follow()
        return self._scales.get(rung)

    def quality(self, proxy: str, rung: int) -> float | None:
        """Quality of a proxy by its scores at a rung; None where not (yet) known."""
        scores, scale = self.scores(proxy, rung), self.scale(rung)
        return None if scores is None or scale is None else quality(scores, scale)

    def quality_error(self, proxy: str, rung: int) -> float | None:
        """Standard error of that quality; None where it or the noise of a training is not known."""
        counts, scale = self.verdict(proxy, rung).counts, self.scale(rung)
        return None if not counts or scale is None else quality_error(counts, scale)

    def final(self, proxy: str) -> FinalTraining | None:
        """What the training after the search says of a proxy; None where there was none, or not yet."""
        rung = self.last + 1
        verdict = self.verdict(proxy, rung)
        if verdict.failure is not None:
            return FinalTraining(verdict.failure)
        if verdict.replicates is None or verdict.scores is None:
            return None
        return FinalTraining(
            scores=verdict.scores,
            spreads={
                task: statistics.stdev(values) if len(values) > 1 else None
                for task, values in verdict.replicates.items()
            },
            replicates=verdict.counts,
            quality=self.quality(proxy, rung),
            quality_error=self.quality_error(proxy, rung),
        )

    @property
    def scales(self) -> dict[int, RungScale]:
        """The scale of each rung whose references are done."""
        self._follow()
        return dict(self._scales)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each task in the spread of quality over the candidates of the last rung."""
        scale = self.scale(self.last)
        scores = [self.scores(self.ledger.candidates[each].proxy, self.last) for each in self.finished]
        return {} if scale is None else shares([each for each in scores if each is not None], scale)

    def check_scale(self) -> None:
        """Raise `RuntimeError` where every reference failed, so that quality has no scale."""
        references = self.ledger.references()
        if len(references) < len(self.ledger.campaign.references):
            return
        causes = [next(iter(self.failures(record.proxy)), None) for record in references]
        if all(causes):
            raise RuntimeError(f"no reference could be trained, so quality has no scale: {causes[0]}")

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

    def breaks(self, record: CandidateRecord) -> str | None:
        """Which bound a candidate breaks, in words, or None; a reference is trained all the same."""
        if record.rejected is not None:
            return record.rejected
        return broken_bound(self.objectives, {name: cost.value for name, cost in record.costs.items()})

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
        """Values of the candidates of the last rung that break no bound, by fingerprint."""
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

    def _forget(self) -> None:
        self._arrivals, self._completions, self._revision = 0, 0, self.ledger.revision
        self._verdicts: dict[tuple[str, int], Verdict] = {}
        self._by_proxy: dict[str, list[str]] = defaultdict(list)
        self._statuses: dict[str, Status | None] = {}
        self._counts: Counter[Status | None] = Counter()
        self._references: set[str] = set()
        self._scales: dict[int, RungScale] = {}
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
        if self._revision != ledger.revision:
            self._forget()
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
            self._verdicts[place] = judge(ledger, *place)

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
        self._scales = {}
        for rung in range(self.last + 2):
            scale = self._reference_scale(rung)
            if scale is not None:
                self._scales[rung] = scale
        if self._scales.get(self.last) != before:
            self._forget_front()
            for proxy, rung in self._verdicts:
                if rung == self.last:
                    for record in self.of_proxy(proxy):
                        self._place(record)

    def _reference_scale(self, rung: int) -> RungScale | None:
        """The scale by all references but failed ones; None until every one is done with the rung."""
        references = self.ledger.references()
        if len(references) < len(self.ledger.campaign.references):
            return None
        known: list[Verdict] = []
        for record in references:
            verdict = self.verdict(record.proxy, rung)
            if verdict.scores is not None:
                known.append(verdict)
            elif not any(self.failure(record.proxy, earlier) for earlier in range(rung + 1)):
                return None
        if not known:
            return None
        if rung <= self.last:
            tasks = task_scales(known, self._resolutions)
            return RungScale(tasks, weights_in_effect(tasks, self.weights))
        if (before := self._scales.get(self.last)) is None:
            return None
        # The same steps and weights as at the last rung: with other weights, nothing could be compared.
        noises = {task: each.noise for task, each in before.tasks.items()}
        return RungScale(task_scales(known, self._resolutions, True, noises), before.weights)

    def _count(self, record: CandidateRecord) -> None:
        status = self.status(record)
        if record.fingerprint in self._statuses:
            self._counts[self._statuses[record.fingerprint]] -= 1
        self._statuses[record.fingerprint] = status
        self._counts[status] += 1

    def _place(self, record: CandidateRecord) -> None:
        """Put a candidate of the last rung where it belongs: on the front, or behind it. What breaks a bound
        has no place."""
        if record.fingerprint in self._finished or self.breaks(record) is not None:
            return
        values = self.values(record, self.last)
        if values is None:
            return
        self._finished[record.fingerprint] = values
        self._front.add(record.fingerprint, values)
        if self._outline.add(record.fingerprint, values):
            self._volume = None
