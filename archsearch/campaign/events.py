"""What happens in a campaign: one frozen value an event, as it is written and as it is read back.

On disk an event is one JSON object: its `kind` under `event`, the time `at`, then its fields in their order.
Values are checked where they come from outside, that is when a line is read.
"""

import json
import math
import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from archsearch.campaign.results import Offspring, Summary
from archsearch.executors import Failure
from genomes import InvalidInput
from genomes.reading import strict_json
from hardware_profiles import Estimate
from proxies.trial import TrialResult

FORMAT = "archsearch/journal"
VERSION = 1


def finite(value: object) -> float:
    """A JSON number as it stands: an integer stays one. Raises `ValueError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return value


def _estimate(value: object) -> Estimate:
    if not isinstance(value, dict) or not {"value", "low", "high"} <= value.keys():
        raise ValueError(f"{value!r} has no value, low and high")
    return Estimate(*(finite(value[name]) for name in ("value", "low", "high")))


Number = Annotated[float, PlainValidator(finite)]
Cost = Annotated[Estimate, PlainValidator(_estimate)]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Fingerprint of a candidate or a proxy, or key of a trial."""
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Percentile = Literal["p10", "median", "p90"]


HALF_CHARACTER = r"\ud"
"""How JSON may write half a character, as in names of files that are no text; no other reader takes it."""

_STRICT = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
"""How lines are read: no text for a number, no field missing; unknown fields are left out."""


def _now() -> float:
    return round(time.time(), 3)


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events share. Two of them are equal where the same happened, whenever it was."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    kind: ClassVar[str] = ""
    at: float = field(default_factory=_now, compare=False)
    """Unix time in seconds."""


@dataclass(frozen=True, kw_only=True)
class SessionBegan(Event):
    """A process took the run up, for the first time or again."""

    kind = "run"
    format: str = FORMAT
    version: int = VERSION
    executor: Literal["ray", "local"]
    address: str | None = None
    asked_workers: int | None = None
    workers: Count
    """Most jobs at a time."""
    began: float
    """Unix time in seconds at which the process began, before it had workers."""
    reference_point: dict[str, Number]
    """Corner of the hypervolume, by objective, in the objectives' own units."""
    training: Count | None = None
    """Version of the training code; missing in older journals."""
    campaign: dict[str, Any] | None = None
    """The resolved campaign; missing in older journals, as are the next four."""
    data: dict[str, str] | None = None
    """Hash of the data of each task."""
    place: str | None = None
    """Where jobs ran, in words, where that was not this machine alone."""
    data_notes: tuple[str, ...] = ()
    """What of the data was left out, a sentence each."""
    versions: dict[str, str] | None = None
    """Versions of Python and of the libraries that train."""
    retries: bool = False
    """Whether what failed before is tried again."""


@dataclass(frozen=True, kw_only=True)
class CandidateRecord(Event):
    """A layout was admitted to training, or rejected by a bound."""

    kind = "candidate"
    fingerprint: Hex
    proxy: Hex
    name: str
    """A reference's name, else empty."""
    origin: Literal["reference", "searched"]
    genome: str | None
    pattern: str
    kinds: tuple[str, ...]
    """Token-mixing family of each block."""
    weights: str | None = None
    """Type that weights are stored in; None: as the arithmetic. Missing in older journals, as is `cache`."""
    cache: str | None = None
    """Type that KV cache and recurrent states are stored in; None: as the arithmetic."""
    generation: int
    """From 0; -1 for a reference."""
    costs: dict[str, Cost]
    """Predicted cost by objective, in the objectives' own units."""
    parameters: dict[str, int]
    """Exact parameters by scale, `proxy` and `target`."""
    rejected: str | None
    """Why a bound rejects it; None where admitted."""


@dataclass(frozen=True, kw_only=True)
class TrialDone:
    """One training of a job."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    key: Hex
    id: str
    task: str
    replicate: Count
    directory: Annotated[str, Field(pattern=r"^candidates/[0-9a-f]{16}/trials/[^/.][^/]*$")]
    """Where its files lie in the run directory."""
    result: TrialResult

    def __post_init__(self) -> None:
        if self.result.status == "ok" and self.result.score is None:
            raise ValueError(f"trial {self.id} is ok but has no score")


@dataclass(frozen=True, kw_only=True)
class JobRecord(Event):
    """One candidate was trained at one rung, or failed to be."""

    kind = "job"
    candidate: Hex
    proxy: Hex
    rung: Count
    """One beyond the last: the final training."""
    worker: str = ""
    seconds: Seconds
    """Time in the worker, its start-up left out."""
    startup_seconds: Seconds
    failure: Failure | None
    asked: tuple[Hex, ...]
    """Keys of all trials that the rung took, those known before and those stopped early included."""
    trials: tuple[TrialDone, ...]

    def check_tasks(self, tasks: Collection[str]) -> None:
        """Raise `NotAnEventError` where a trial is of none of these tasks: it is of another campaign."""
        for trial in self.trials:
            if trial.task not in tasks:
                raise NotAnEventError(f"trial {trial.id} is of {trial.task}; legal: {', '.join(tasks)}")


@dataclass(frozen=True, kw_only=True)
class JobRetried(Event):
    """A worker died under a job, which is run once more."""

    kind = "retry"
    job: str
    failure: Failure


@dataclass(frozen=True, kw_only=True)
class GenerationDone(Event):
    """All candidates of a generation are judged, and the next parents chosen."""

    kind = "generation"
    index: Count
    offspring: Offspring
    """Children of all generations so far."""
    cached: Count
    """Trials asked for again so far, and taken from the record."""


@dataclass(frozen=True, kw_only=True)
class FinalistsChosen(Event):
    """The search is over, and this is measured next."""

    kind = "finalists"
    candidates: tuple[Hex, ...]
    """Fingerprints, best first."""
    measurements: Count
    """Measurements of all candidates on all devices."""
    unmeasured: dict[str, str]
    """Why there is no measurement, by objective."""


@dataclass(frozen=True, kw_only=True)
class MeasurementRecord(Event):
    """One finalist was measured on one device, or failed to be."""

    kind = "measured"
    candidate: Hex
    device: str
    way: Literal["here", "command"] | None
    context: Count
    batch: Count
    dtype: str
    weights: str | None = None
    cache: str | None = None
    objectives: tuple[str, ...]
    """Full names of the objectives that it answers."""
    figures: dict[str, dict[Percentile, Number]] | None
    """Percentiles by metric, in the metric's own unit; None where measuring failed."""
    repeat_spread: Number | None = None
    stable: bool | None = None
    disturbed: bool | None = None
    seconds: Seconds
    """Duration of the measurement."""
    failure: str | None

    def __post_init__(self) -> None:
        if self.failure is None:
            self.summaries()

    def summaries(self) -> dict[str, Summary]:
        """The measured figures by objective; empty after a failure. Raises `ValueError` where one lacks."""
        if self.failure is not None:
            return {}
        try:
            percentiles = {name: (self.figures or {})[name.partition("[")[0]] for name in self.objectives}
            return {
                name: Summary(
                    median=each["median"],
                    p10=each["p10"],
                    p90=each["p90"],
                    repeat_spread=self.repeat_spread,
                    stable=self.stable,
                    disturbed=self.disturbed,
                )
                for name, each in percentiles.items()
            }
        except KeyError as missing:
            raise ValueError(f"no figure {missing} of {self.device}") from None


@dataclass(frozen=True, kw_only=True)
class RunStopped(Event):
    """A session ended before the run did."""

    kind = "stopped"
    reason: str


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """All is done."""

    kind = "finished"


@dataclass(frozen=True, kw_only=True)
class UnknownEvent(Event):
    """An event of a later version; only its time counts."""


KINDS: dict[str, type[Event]] = {
    each.kind: each
    for each in (
        SessionBegan,
        CandidateRecord,
        JobRecord,
        JobRetried,
        GenerationDone,
        FinalistsChosen,
        MeasurementRecord,
        RunStopped,
        RunFinished,
    )
}
_READERS = {kind: TypeAdapter(each) for kind, each in KINDS.items()}
_UNKNOWN = TypeAdapter(UnknownEvent)


_CONTROL = re.compile(rb"\\u00(?:0[0-8b-f]|1[0-9a-f]|7f|[89][0-9a-f])|\x7f|\\[bfr]", re.IGNORECASE)
"""Characters that steer a terminal, in the text of a line."""
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _printable(value: Any) -> Any:
    """Plain values with a question mark for each character that would steer a terminal."""
    match value:
        case str():
            return _STEERING.sub("?", value)
        case list():
            return [_printable(each) for each in value]
        case dict():
            return {_printable(key): _printable(each) for key, each in value.items()}
    return value


class NotAnEventError(ValueError):
    """A line of the journal is no event."""


def read_event(line: bytes) -> Event:
    """The event that a line of the journal holds.

    Raises `NotAnEventError`, and `InvalidInput` where another version of archsearch began a session.
    """
    try:
        data = strict_json(line)
        kind, at = data["event"], data["at"]
        if not isinstance(kind, str):
            raise TypeError(f"event = {kind!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotAnEventError(str(error)) from None
    if kind == SessionBegan.kind and data.get("version") != VERSION:
        raise InvalidInput(f"version = {data.get('version')!r}; this archsearch reads version {VERSION}")
    if kind == GenerationDone.kind and "redrawn" in data:  # as older journals have it, in one number
        redrawn = {"unknown": data["redrawn"]} if data["redrawn"] else {}
        line = json.dumps({"at": at, "offspring": {"redrawn": redrawn}} | data).encode()
    if _CONTROL.search(line):
        data = _printable(data)
        line = json.dumps(data).encode()
    if HALF_CHARACTER.encode() in line:
        line = _whole_characters(data).encode()
    try:
        return _READERS.get(kind, _UNKNOWN).validate_json(line)
    except ValidationError as error:
        raise NotAnEventError(str(error)) from None


def event_line(event: Event) -> str:
    """The line that an event is written as. Raises `ValueError` for a number that is not finite."""
    content = {"event": event.kind, **_content(event)}
    line = json.dumps(content, separators=(",", ":"), allow_nan=False, default=_content)
    return _whole_characters(json.loads(line)) if HALF_CHARACTER in line else line


def _whole_characters(data: dict[str, Any]) -> str:
    """The line of an event, with a question mark for each half of a character that stands alone."""
    text = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
    return json.dumps(json.loads(text), separators=(",", ":"))


def _content(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}
