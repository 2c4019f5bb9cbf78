"""The campaign's loop: references, then generations of candidates, rung by rung.

It is a function of the campaign and of what trials return, nothing else, so a resumed run repeats it from
the start with everything already known served from the ledger.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice

import numpy as np

from archsearch.campaign.directory import RunDirectory
from archsearch.campaign.events import CandidateRecord, GenerationDone
from archsearch.campaign.journal import Journal
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.results import Offspring
from archsearch.campaign.standing import Standing
from archsearch.campaign.summary import candidate
from archsearch.evaluation.evaluator import Evaluator
from archsearch.search.admission import Admission, Proposal
from archsearch.search.algorithm import Judged, make_algorithm
from genomes import Repaired, parse_genome
from genomes.files import write_json
from genomes.genome import CAUSES, Cause

ATTEMPTS_PER_CANDIDATE = 200
"""Genomes drawn for each candidate wanted before a space counts as exhausted."""

SEARCH_STREAM = 1
"""Part of a generation's seed, so that its random numbers are the search's own."""


class Loop:
    """One pass through a campaign; `run` does it all."""

    def __init__(
        self,
        directory: RunDirectory,
        standing: Standing,
        journal: Journal,
        pricing: Pricing,
        evaluator: Evaluator,
    ) -> None:
        self.directory, self.standing, self.journal = directory, standing, journal
        self.ledger = ledger = standing.ledger
        self.pricing, self.evaluator = pricing, evaluator
        self.campaign = ledger.campaign
        self.admission = Admission(directory, ledger, journal, pricing)
        self.algorithm = make_algorithm(self.campaign.search, self.campaign.search_space, pricing.objectives)
        self.last_rung = len(self.campaign.budget.rungs) - 1
        self.offspring = Offspring()
        # What this pass has seen and reached, by fingerprint: on a resumed run the ledger already knows the
        # future.
        self._seen: set[str] = set()
        self._touched: set[str] = set()  # what became of them is to be written
        self._reached: dict[str, int] = {}  # last rung passed
        self._failed: set[str] = set()

    def run(self) -> None:
        """References, generations, final training. Raises `RuntimeError` where no reference trains."""
        search = self.campaign.search
        state = self.algorithm.start()
        references = [self._admit(proposal, -1) for proposal in self.admission.references()]
        for generation in range(search.generations):
            parents = self.algorithm.parents(state)
            if generation > 0 and not parents:
                break  # bounds rejected or training failed every one
            rng = np.random.default_rng([self.campaign.seed, SEARCH_STREAM, generation])
            genomes = self.algorithm.ask(state, rng)
            records = self._fill(genomes, search.wanted(generation), generation)
            self._evaluate(records, 0, references if generation == 0 else [])
            new = [judged for record in records if (judged := self._judged(record))]
            pool = [*parents, *new]
            for rung in range(1, self.last_rung + 1):
                self._promote(pool, len(new), rung)
            state = self.algorithm.tell(state, [self._judged_again(judged) for judged in pool])
            self._close_generation(generation)
        self._train_finally(references)

    def _close_generation(self, generation: int) -> None:
        event = GenerationDone(index=generation, offspring=self.offspring, cached=self.evaluator.cached)
        self.journal.write(event)
        self.ledger.apply(event)
        self._write_touched()

    def _train_finally(self, references: list[CandidateRecord]) -> None:
        """Train the front and the references anew, with seeds that no rung used.

        The front was chosen for its scores, so these are too good on average; the new ones are not.
        """
        if self.last_rung not in self._reached.values():
            return  # no candidate reached it: there is nothing to be judged
        again = {record.fingerprint: record for record in [*references, *self.standing.front]}.values()
        for record in again:
            if self._passed(record, self.last_rung):
                self.evaluator.request(record, self.campaign.budget.final_rung)
        self.evaluator.finish()
        self._touched |= {record.fingerprint for record in again}
        self._write_touched()

    def _write_touched(self) -> None:
        for fingerprint in self._touched:
            judged = candidate(self.ledger.candidates[fingerprint], self.standing)
            write_json(self.directory.candidate(fingerprint) / "result.json", asdict(judged))
        self._touched.clear()

    def _fill(self, genomes: Iterator[Repaired], wanted: int, generation: int) -> list[CandidateRecord]:
        """The first `wanted` new candidates that no bound rejects; fewer where the space has no more."""
        admitted: list[CandidateRecord] = []
        for genome, redrawn in islice(genomes, ATTEMPTS_PER_CANDIDATE * wanted):
            proposal = self.admission.proposal(genome)
            if generation > 0:
                self._count(redrawn, unfit=proposal is None)
            if proposal is None or proposal.fingerprint in self._seen:
                continue
            record = self._admit(proposal, generation)
            if record.rejected is not None:
                self._touched.add(record.fingerprint)
            else:
                admitted.append(record)
                if len(admitted) == wanted:
                    break
        return admitted

    def _count(self, redrawn: Mapping[Cause, int], unfit: bool) -> None:
        """Write down what became of a child."""
        so_far = self.offspring
        self.offspring = Offspring(
            made=so_far.made + 1,
            invalid=so_far.invalid + bool(redrawn),
            unfit=so_far.unfit + unfit,
            redrawn={
                cause: so_far.redrawn.get(cause, 0) + redrawn.get(cause, 0)
                for cause in CAUSES
                if cause in so_far.redrawn or cause in redrawn
            },
        )

    def _admit(self, proposal: Proposal, generation: int) -> CandidateRecord:
        self._seen.add(proposal.fingerprint)
        self.evaluator.proxies[proposal.proxy.fingerprint] = proposal.proxy
        return self.admission.admit(proposal, generation)

    def _evaluate(self, records: list[CandidateRecord], rung: int, references: list[CandidateRecord]) -> None:
        """Train at a rung; references go on through all rungs beside the others."""

        def further(record: CandidateRecord, done: int) -> None:
            while record in references and done < self.last_rung and self._passed(record, done):
                done += 1
                self.evaluator.request(record, done)
                if not self._known(record, done):
                    break
            if record in references:
                self.standing.check_scale()

        for record in references:
            self.evaluator.request(record, rung)
        for record in references:
            if self._known(record, rung):
                further(record, rung)
        for record in records:
            self.evaluator.request(record, rung)
        self.evaluator.finish(further)
        if references:
            self.standing.check_scale()
        self._touched |= {record.fingerprint for record in [*records, *references]}
        for record in records:
            if self._passed(record, rung):
                self._reached[record.fingerprint] = rung
            else:
                self._failed.add(record.fingerprint)

    def _known(self, record: CandidateRecord, rung: int) -> bool:
        return self._passed(record, rung) or self.standing.failure(record.proxy, rung) is not None

    def _passed(self, record: CandidateRecord, rung: int) -> bool:
        return self.standing.scores(record.proxy, rung) is not None

    def _promote(self, pool: Sequence[Judged], new: int, rung: int) -> None:
        """Send the best of those that stand one rung below to this rung: a share of the new candidates."""
        below = [
            self._judged_again(judged)
            for judged in pool
            if judged.id not in self._failed and self._reached[judged.id] == rung - 1
        ]
        best = self.algorithm.ranked(below)
        count = math.ceil(self.campaign.budget.promote**rung * new)
        self._evaluate([self.ledger.candidates[judged.id] for judged in best[:count]], rung, [])

    def _judged(self, record: CandidateRecord) -> Judged | None:
        """What the algorithm is told of a candidate; None where it failed."""
        values = self._values(record)
        if values is None or record.genome is None:
            return None
        rung = self._reached[record.fingerprint]
        return Judged(record.fingerprint, parse_genome(record.genome), values, rung)

    def _judged_again(self, judged: Judged) -> Judged:
        """The candidate with its quality at the last rung that it reached."""
        values = self._values(self.ledger.candidates[judged.id])
        assert values is not None
        return replace(judged, values=values, rung=self._reached[judged.id])

    def _values(self, record: CandidateRecord) -> tuple[float, ...] | None:
        """Values of all objectives with the quality at the last rung reached; None where it reached none."""
        rung = self._reached.get(record.fingerprint)
        return None if rung is None else self.standing.values(record, rung)
