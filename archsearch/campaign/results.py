"""What a campaign knows: candidates, their costs, scores and quality, and the front.

Plain frozen values, derived from the ledger by `archsearch.campaign.summary`; the report and the export read
nothing else.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from archsearch.campaign.objectives import Objective
from genomes.stored import own_types
from proxies.trial import TrialResult

Origin = Literal["searched", "reference"]
Status = Literal["evaluated", "failed", "rejected"]


@dataclass(frozen=True)
class Trial:
    """One training of a candidate."""

    id: str
    """`TASK-STEPS-LR-SEED`, the name of its directory."""
    candidate: str
    task: str
    rung: int
    steps: int
    learning_rate: float
    seed: int
    status: Literal["ok", "failed"]
    chosen: bool
    """Whether its learning rate was the best on validation, so that its score counts."""
    result: TrialResult


@dataclass(frozen=True)
class Summary:
    """A measured figure, in the objective's unit; None where whoever measured did not say."""

    median: float
    p10: float
    p90: float
    repeat_spread: float | None = None
    """Between processes, relative to the median; the worse of both latencies."""
    stable: bool | None = None
    disturbed: bool | None = None
    """Whether other programs took much of the machine's time meanwhile."""


@dataclass(frozen=True)
class Candidate:
    """One layout, judged."""

    id: str
    """8 hex digits of the fingerprint; what a user writes in `runs/NAME#ID`."""
    fingerprint: str
    name: str
    """A reference's name, else the id."""
    origin: Origin
    pattern: str
    """The layout's text."""
    kinds: tuple[str, ...]
    """Token-mixing family of each layout block: attention, recurrence, convolution, memoryless, skip."""
    genome: str | None
    generation: int
    status: Status
    cause: str | None
    """Why it failed or was rejected."""
    rung: int
    """Last rung finished, from 0; -1 where none was."""
    objectives: dict[str, float]
    """Value of each objective, by full name; quality is that of the last rung finished."""
    intervals: dict[str, tuple[float, float]]
    """Low and high of each predicted cost."""
    signals: dict[str, float]
    """Score of each task at the last rung finished, by `score[TASK]`; higher is better."""
    parameters: dict[str, int]
    """Exact parameters at the scales `proxy` and `target`."""
    weights: str | None = None
    """What its weights are stored in; None: as the arithmetic."""
    cache: str | None = None
    """What its KV cache and recurrent states are stored in; None: as the arithmetic."""
    measured: dict[str, Summary] = field(default_factory=dict)
    """What a finalist was measured to need on the device, by objective."""
    measured_failures: dict[str, str] = field(default_factory=dict)
    """Why measuring a finalist failed, by objective."""

    @property
    def stored(self) -> dict[str, str]:
        """`weights` and `cache`, where they are stored in a type of their own."""
        return own_types(self.weights, self.cache)


@dataclass(frozen=True)
class HypervolumePoint:
    """Hypervolume of the front after some evaluations."""

    evaluations: int
    hypervolume: float


@dataclass(frozen=True)
class Offspring:
    """What variation made, and what of it was illegal."""

    made: int = 0
    """Children, repeated ones included; random genomes are not counted."""
    invalid: int = 0
    """Children that had to be repaired."""
    unfit: int = 0
    """Children left out: no scale or parameter budget can hold them."""
    redrawn: dict[str, int] = field(default_factory=dict)
    """Genes that repair drew anew, by cause: range, length, sharing, rule; `unknown` in old journals."""

    @property
    def invalid_share(self) -> float:
        """Share of the children that had to be repaired."""
        return self.invalid / self.made if self.made else 0.0


@dataclass(frozen=True)
class Results:
    """Everything a run has to show."""

    name: str
    campaign: dict[str, Any]
    environment: dict[str, Any]
    objectives: tuple[Objective, ...]
    rungs: tuple[int, ...]
    """Training steps of each rung."""
    references: tuple[str, ...]
    """Names of the reference layouts that quality is measured against."""
    candidates: tuple[Candidate, ...]
    """In the order in which they were judged; references first."""
    trials: tuple[Trial, ...]
    front: tuple[str, ...]
    """Ids of the non-dominated candidates of the last rung, best quality first."""
    reference_point: tuple[float, ...] | None
    """Corner that the hypervolume is measured from, in the objectives' own units."""
    history: tuple[HypervolumePoint, ...]
    worker_time: dict[str, float]
    """Seconds of all workers by phase: training, compilation, evaluation, start-up, other, idle."""
    cached: int
    """Trials that were asked for again and taken from the record."""
    offspring: Offspring
    seconds: float
    """Wall time of the run, resumed parts included."""
    finished: bool
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Profile of each device priced, as in its file."""
    finalists: tuple[str, ...] = ()
    """Ids of the candidates chosen to be measured, best first."""
    unmeasured: dict[str, str] = field(default_factory=dict)
    """Why finalists are not measured, by objective."""

    def candidate(self, id: str) -> Candidate:
        """The candidate of that id or unambiguous prefix of its fingerprint or name. Raises `KeyError`."""
        matches = [c for c in self.candidates if id and (c.fingerprint.startswith(id) or c.name == id)]
        if len(matches) != 1:
            raise KeyError(id)
        return matches[0]
