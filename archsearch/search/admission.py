"""From a layout to a candidate: sized once at both scales, priced once, written down once."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from archsearch.campaign.directory import RunDirectory
from archsearch.campaign.events import CandidateRecord
from archsearch.campaign.file import Campaign
from archsearch.campaign.journal import Journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.pricing import Pricing
from genomes import Architecture, Genome, InvalidInput, Layout, accounting


@dataclass(frozen=True)
class Proposal:
    """A layout at both scales of a campaign, before its price is known."""

    layout: Layout
    proxy: Architecture
    """What is trained."""
    target: Architecture
    """What is priced."""
    genome: Genome | None
    """Integers that spell the layout before its parameters were tuned; None of a reference."""
    name: str
    """A reference's name, else empty."""

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of the candidate: its proxy and its target."""
        text = f"{self.proxy.fingerprint}/{self.target.fingerprint}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def propose(layout: Layout, campaign: Campaign, genome: Genome | None = None, name: str = "") -> Proposal:
    """Size a layout for a campaign. Raises `InvalidInput` where a scale cannot hold it."""
    text = str(layout)
    return Proposal(layout, campaign.trained(layout, text), campaign.priced(layout, text), genome, name)


@dataclass(frozen=True)
class Admission:
    """The one place where candidates of a run are made."""

    directory: RunDirectory
    ledger: Ledger
    journal: Journal
    pricing: Pricing

    @property
    def campaign(self) -> Campaign:
        """The campaign of the run."""
        return self.ledger.campaign

    def references(self) -> list[Proposal]:
        """The campaign's reference layouts."""
        names = self.campaign.references
        return [propose(self.campaign.reference(name), self.campaign, name=name) for name in names]

    def proposal(self, genome: Genome) -> Proposal | None:
        """What a legal genome means; None where no scale or parameter budget can hold it."""
        try:
            layout = self.campaign.at_budget(self.campaign.search_space.decode(genome))
            return propose(layout, self.campaign, genome)
        except InvalidInput:
            return None

    def admit(self, proposal: Proposal, generation: int) -> CandidateRecord:
        """Price a proposal and write it down, or take it from the ledger."""
        fingerprint = proposal.fingerprint
        if fingerprint in self.ledger.candidates:
            return self.ledger.candidates[fingerprint]
        # First the files: what the journal knows of has them.
        folder = self.directory.candidate(fingerprint)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "arch.json").write_text(proposal.proxy.to_json(), encoding="utf-8")
        (folder / "target.arch.json").write_text(proposal.target.to_json(), encoding="utf-8")
        record = self._record(proposal, generation)
        self.journal.write(record)
        self.ledger.apply(record)
        return record

    def _record(self, proposal: Proposal, generation: int) -> CandidateRecord:
        layout, proxy, target, genome = proposal.layout, proposal.proxy, proposal.target, proposal.genome
        if genome is None:  # a reference is trained whatever its price
            costs, rejection = self.pricing.costs(target), None
        else:
            costs, rejection = self.pricing.judged(target)
        return CandidateRecord(
            fingerprint=proposal.fingerprint,
            proxy=proxy.fingerprint,
            name=proposal.name,
            origin="reference" if genome is None else "searched",
            genome=None if genome is None else self.campaign.search_space.text(genome),
            pattern=proxy.name,
            kinds=tuple(block.operator.kind for block in layout),
            weights=layout.weights,
            cache=layout.cache,
            generation=generation,
            costs=costs,
            parameters={"proxy": accounting.parameters(proxy), "target": accounting.parameters(target)},
            rejected=rejection,
        )
