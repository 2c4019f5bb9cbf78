"""The campaign's loop: references, then generations of candidates, rung by rung.

It is a function of the campaign and of what trials return, nothing else, so a resumed run repeats it from
the start with everything already known served from the ledger.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice

import numpy as np

from archsearch.campaign.directory import RunDirectory
from archsearch.campaign.events import CandidateRecord, GenerationDone
from archsearch.campaign.journal import Journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.results import Offspring, Origin
from archsearch.campaign.summary import candidate, objective_values
from archsearch.evaluation.evaluator import Evaluator
from archsearch.search.nsga2 import Fitness, Individual, children, survivors
from genomes import (
    Genome,
    InvalidInput,
    Layout,
    Repaired,
    accounting,
    parse_genome,
    random_genome,
)
from genomes.files import write_json
from genomes.genome import CAUSES, Cause

ATTEMPTS_PER_CANDIDATE = 200
"""Genomes drawn for each candidate wanted before a space counts as exhausted."""

SEARCH_STREAM = 1


class Loop:
    """One pass through a campaign; `run` does it all."""

    def __init__(
        self,
        directory: RunDirectory,
        ledger: Ledger,
        journal: Journal,
        pricing: Pricing,
        evaluator: Evaluator,
    ) -> None:
        self.directory, self.ledger, self.journal = directory, ledger, journal
        self.pricing, self.evaluator = pricing, evaluator
        self.campaign = ledger.campaign
        self.space = self.campaign.search_space
        self.last_rung = len(self.campaign.budget.rungs) - 1
        self.offspring = Offspring()
        # What this pass has seen and reached: on a resumed run the ledger already knows the future.
        self._seen: set[str] = set()
        self._touched: set[str] = set()
        self._reached: dict[str, int] = {}
        self._failed: set[str] = set()

    def run(self) -> None:
        """References and all generations. Raises `RuntimeError` where no reference can be trained."""
        search = self.campaign.search
        parents: list[Individual] = []
        references = self._references()
        for generation in range(search.generations):
            rng = np.random.default_rng([self.campaign.seed, SEARCH_STREAM, generation])
            if generation == 0:
                wanted, genomes = search.population, self._random(rng)
            else:
                if not parents:
                    raise RuntimeError(
                        "no candidate of the first generation is left: bounds rejected or training failed "
                        f"every one; archsearch report {self.directory.path} lists the causes"
                    )
                wanted = search.population - search.elites
                genomes = children(parents, self.space, search, rng)
            records = self._fill(genomes, wanted, generation)
            self._evaluate(records, 0, references if generation == 0 else [])
            new = [individual for record in records if (individual := self._individual(record))]
            for rung in range(1, self.last_rung + 1):
                self._promote([*parents, *new], len(new), rung)
            pool = [self._judged_again(individual) for individual in [*parents, *new]]
            parents = survivors(pool, search.population)
            self._close_generation(generation)

    def _close_generation(self, generation: int) -> None:
        event = GenerationDone(index=generation, offspring=self.offspring, cached=self.evaluator.cached)
        self.journal.write(event)
        self.ledger.apply(event)
        for fingerprint in self._touched:
            judged = candidate(self.ledger.candidates[fingerprint], self.ledger, self.pricing.objectives)
            write_json(self.directory.candidate(fingerprint) / "result.json", asdict(judged))
        self._touched.clear()

    def _references(self) -> list[CandidateRecord]:
        layouts = [(name, self.campaign.reference(name)) for name in self.campaign.references]
        return [self._admit(layout, "reference", name, None, -1) for name, layout in layouts]

    def _random(self, rng: np.random.Generator) -> Iterator[Repaired]:
        while True:
            yield Repaired(random_genome(self.space, rng), {})

    def _fill(self, genomes: Iterator[Repaired], wanted: int, generation: int) -> list[CandidateRecord]:
        """The first `wanted` new candidates that no bound rejects; fewer where the space has no more."""
        admitted: list[CandidateRecord] = []
        for genome, redrawn in islice(genomes, ATTEMPTS_PER_CANDIDATE * wanted):
            layout = self._layout(genome)
            if generation > 0:
                self._count(redrawn, unfit=layout is None)
            if layout is None or self._fingerprint(layout) in self._seen:
                continue
            record = self._admit(layout, "searched", "", genome, generation)
            if record.rejected is not None:
                self._touched.add(record.fingerprint)
            else:
                admitted.append(record)
                if len(admitted) == wanted:
                    break
        return admitted

    def _layout(self, genome: Genome) -> Layout | None:
        """What a legal genome means; None where no scale or parameter budget can hold it."""
        try:
            layout = self.campaign.at_budget(self.space.decode(genome))
            self._fingerprint(layout)
        except InvalidInput:
            return None
        return layout

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

    def _fingerprint(self, layout: Layout) -> str:
        """16 hex digits of a candidate: its proxy and its target."""
        proxy, target = layout.at(self.campaign.proxy), layout.at(self.campaign.target)
        text = f"{proxy.fingerprint}/{target.fingerprint}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _admit(
        self, layout: Layout, origin: Origin, name: str, genome: Genome | None, generation: int
    ) -> CandidateRecord:
        """Price a layout and write it down, or take it from the ledger."""
        fingerprint = self._fingerprint(layout)
        proxy, target = layout.at(self.campaign.proxy), layout.at(self.campaign.target)
        self._seen.add(fingerprint)
        self.evaluator.proxies[proxy.fingerprint] = proxy
        if fingerprint in self.ledger.candidates:
            return self.ledger.candidates[fingerprint]
        # First the files: what the journal knows of has them.
        folder = self.directory.candidate(fingerprint)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "arch.json").write_text(proxy.to_json(), encoding="utf-8")
        (folder / "target.arch.json").write_text(target.to_json(), encoding="utf-8")
        searched = origin == "searched"
        costs, rejection = self.pricing.judged(target) if searched else (self.pricing.costs(target), None)
        record = CandidateRecord(
            fingerprint=fingerprint,
            proxy=proxy.fingerprint,
            name=name,
            origin=origin,
            genome=None if genome is None else self.space.text(genome),
            pattern=str(layout),
            kinds=tuple(block.operator.kind for block in layout),
            weights=layout.weights,
            cache=layout.cache,
            generation=generation,
            costs=costs,
            parameters={"proxy": accounting.parameters(proxy), "target": accounting.parameters(target)},
            rejected=rejection,
        )
        self.journal.write(record)
        self.ledger.apply(record)
        return record

    def _evaluate(self, records: list[CandidateRecord], rung: int, references: list[CandidateRecord]) -> None:
        """Train at a rung; references go on through all rungs beside the others."""

        def further(record: CandidateRecord, done: int) -> None:
            while record in references and done < self.last_rung and self._passed(record, done):
                done += 1
                self.evaluator.request(record, done)
                if not self._known(record, done):
                    break

        for record in references:
            self.evaluator.request(record, rung)
        for record in references:
            if self._known(record, rung):
                further(record, rung)
        for record in records:
            self.evaluator.request(record, rung)
        self.evaluator.finish(further)
        self._check_references(references)
        self._touched |= {record.fingerprint for record in [*records, *references]}
        for record in records:
            if self._passed(record, rung):
                self._reached[record.fingerprint] = rung
            else:
                self._failed.add(record.fingerprint)

    def _check_references(self, references: list[CandidateRecord]) -> None:
        rungs = range(self.last_rung + 1)
        causes = [[self.ledger.failure(r.proxy, rung) for rung in rungs] for r in references]
        if causes and all(any(found) for found in causes):
            cause = next(cause for cause in causes[0] if cause)
            raise RuntimeError(f"no reference could be trained, so quality has no scale: {cause}")

    def _known(self, record: CandidateRecord, rung: int) -> bool:
        return self._passed(record, rung) or self.ledger.failure(record.proxy, rung) is not None

    def _passed(self, record: CandidateRecord, rung: int) -> bool:
        return self.ledger.signals(record.proxy, rung) is not None

    def _promote(self, pool: list[Individual], new: int, rung: int) -> None:
        """Send the best that stand one rung below to this rung: a share of the new candidates."""
        order = survivors([self._judged_again(individual) for individual in pool], len(pool))
        open_ = [i for i in order if i.fingerprint not in self._failed]
        below = [i for i in open_ if self._reached[i.fingerprint] == rung - 1]
        count = math.ceil(self.campaign.budget.promote**rung * new)
        self._evaluate([self.ledger.candidates[i.fingerprint] for i in below[:count]], rung, [])

    def _individual(self, record: CandidateRecord) -> Individual | None:
        """What selection sees of a candidate; None where it failed."""
        rung = self._reached.get(record.fingerprint)
        if rung is None or record.genome is None:
            return None
        objectives = self.pricing.objectives
        values = objective_values(record, self.ledger, rung, objectives)
        if values is None:
            return None
        return Individual(record.fingerprint, parse_genome(record.genome), Fitness(values, objectives))

    def _judged_again(self, individual: Individual) -> Individual:
        """The individual with its quality at the last rung that it reached."""
        again = self._individual(self.ledger.candidates[individual.fingerprint])
        assert again is not None
        return again
