"""What a campaign knows: candidates, their costs, scores and quality, and the front.

Plain frozen values, derived from the ledger by `archsearch.campaign.summary`; the report and the export read
nothing else.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.quality import RungScale, TaskScale
from genomes import InvalidInput, Scale, parse_layout
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
class FinalTraining:
    """A candidate trained anew with fresh seeds after the search, and judged on the test stream."""

    failure: str | None = None
    """Why it failed; None where it did not."""
    scores: dict[str, float] = field(default_factory=dict)
    """Mean score by task."""
    spreads: dict[str, float | None] = field(default_factory=dict)
    """Standard deviation of the score between the seeds by task; None of one seed."""
    replicates: dict[str, int] = field(default_factory=dict)
    """Number of seeds by task."""
    quality: float | None = None
    """By the references' final scores; None before these are known."""
    quality_error: float | None = None
    """Standard error; None where the noise is not known."""


@dataclass(frozen=True)
class ReferenceScore:
    """What a reference reached on a task at the last rung."""

    score: float
    accuracy: float | None
    """Share of right answers on the test stream; None where it was not recorded."""


@dataclass(frozen=True)
class TaskFacts:
    """What a task is worth at the last rung, by the references."""

    task: str
    asked_weight: float
    """As the campaign says."""
    weight: float
    """In effect; 0 where no reference stands above the baseline by more than noise."""
    remark: str
    """Why the weight in effect is 0; else empty."""
    share: float | None
    """Share of the task in the spread of quality over the candidates of the last rung."""
    scale: TaskScale
    references: dict[str, ReferenceScore]
    """By name; failed ones are left out."""
    lowest_rates: int
    """Candidates that chose the lowest learning rate of the grid: a better one may lie beyond."""
    highest_rates: int
    """Candidates that chose the highest."""
    rates: int
    """Candidates that had a choice between rates."""

    @property
    def edges(self) -> str:
        """Choices at the edges of the grid in words; empty where there was no choice."""
        if not self.rates:
            return ""
        return f"{self.lowest_rates} lowest, {self.highest_rates} highest of {self.rates}"


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
    """Score of each task at the last rung finished, by `score[TASK]`; higher is better. On the validation
    stream; on the test stream in older results."""
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
    quality_error: float | None = None
    """Standard error of its quality; None where the noise of a training is not known."""
    replicates: dict[str, int] = field(default_factory=dict)
    """Trainings by task at the last rung finished."""
    accuracies: dict[str, float] = field(default_factory=dict)
    """Mean accuracy on the test stream by task at the last rung finished, where one is known."""
    breaks: str | None = None
    """Which bound it breaks, in words: it is trained as a reference, and never on the front."""
    final: FinalTraining | None = None
    """What its training after the search says; None where there was none."""

    @property
    def stored(self) -> dict[str, str]:
        """`weights` and `cache`, where they are stored in a type of their own."""
        return own_types(self.weights, self.cache)

    @property
    def final_change(self) -> float | None:
        """Quality after the search less that during it; below 0, the search had luck with its seeds."""
        during = self.objectives.get(QUALITY)
        if self.final is None or self.final.quality is None or during is None:
            return None
        return self.final.quality - during


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
    """Ids of the non-dominated candidates of the last rung that break no bound, best quality first."""
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
    scales: dict[int, RungScale] = field(default_factory=dict)
    """What scores are measured with, by rung; `len(rungs)` is the training after the search."""
    tasks: tuple[TaskFacts, ...] = ()
    """What each task is worth at the last rung; empty before every reference is done with it."""
    remarks: tuple[str, ...] = ()
    """What a reader of qualities has to know of their scales, a sentence each."""
    deeper_references: tuple[str, ...] = ()
    """In words, each reference that is trained with more blocks than candidates may have."""
    directory: str = ""
    """Directory of the run as it was named when it was read."""

    def candidate(self, id: str) -> Candidate:
        """The candidate of that id or unambiguous prefix of its fingerprint or name. Raises `KeyError`."""
        matches = [c for c in self.candidates if id and (c.fingerprint.startswith(id) or c.name == id)]
        if len(matches) != 1:
            raise KeyError(id)
        return matches[0]

    def stretched(self, candidate: Candidate) -> str:
        """The candidate's blocks as they stand at the target where its layout was stretched, such as
        `short_conv(3) x4, swiglu(4) x4`; empty where it was not, or an operator's package is missing here."""
        if "target" not in self.campaign:
            return ""
        target = Scale.model_validate(self.campaign["target"])
        try:
            layout = parse_layout(candidate.pattern)
        except InvalidInput:
            return ""
        if target.repeat == "stack" or target.blocks in (None, len(layout)):
            return ""
        runs = layout.runs(target)
        return ", ".join(f"{block} x{count}" if count > 1 else str(block) for block, count in runs)
