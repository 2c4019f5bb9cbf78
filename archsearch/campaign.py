"""The campaign file: what to search, train, price and keep; every key typed and bounded."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from genomes import InvalidInput, Scale, SearchSpace, preset, random_genome, reference
from genomes.architecture import describe
from hardware_profiles import Dtype
from proxies.config import TrialConfig

Metric = Literal[
    "quality",
    "parameters",
    "state_bytes",
    "prefill_flops_per_token",
    "decode_flops_per_token",
    "prefill_latency_s",
    "decode_latency_s",
    "peak_memory_bytes",
]
ON_A_DEVICE = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
PATH_SETTINGS = ("path", "tokenizer")
"""Settings of tasks that name files: made absolute, so that workers find them."""


class Section(BaseModel):
    """Base of the sections: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SpaceSection(Section):
    """What may be built."""

    preset: str = "hybrid"
    blocks: int | None = Field(
        default=None, ge=1, le=256, description="blocks of a layout; default: the preset's"
    )
    deploys_to: list[str] = Field(default_factory=list, description="runtimes that must load every candidate")

    @field_validator("deploys_to")
    @classmethod
    def _none_yet(cls, runtimes: list[str]) -> list[str]:
        if runtimes:
            raise ValueError("this version exports to no runtime yet; legal: []")
        return runtimes

    def space(self) -> SearchSpace:
        """The search space. Raises `InvalidInput`."""
        space = preset(self.preset)
        return space if self.blocks is None else space.with_blocks(self.blocks)


class ObjectiveSection(Section):
    """A named metric, its direction and an optional bound, which rejects before training."""

    metric: Metric
    direction: Literal["min", "max"] | None = Field(
        default=None, description="default: max for quality, else min"
    )
    device: str | None = None
    context: int = Field(default=1024, ge=1, le=10_000_000, description="tokens")
    batch: int = Field(default=1, ge=1, le=65_536)
    dtype: Dtype = "float32"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def full_name(self) -> str:
        """Metric and what it depends on, such as `decode_latency_s[this-machine,4096,1,float32]`."""
        match self.metric:
            case "quality" | "parameters":
                return self.metric
            case "state_bytes":
                return f"{self.metric}[{self.context},{self.batch},{self.dtype}]"
            case "prefill_flops_per_token" | "decode_flops_per_token":
                return f"{self.metric}[{self.context}]"
            case _:
                return f"{self.metric}[{self.device},{self.context},{self.batch},{self.dtype}]"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.metric in ON_A_DEVICE and self.device is None:
            raise ValueError(
                f"{self.metric} needs a device, for example this-machine; archsearch devices lists them"
            )
        if self.metric not in ON_A_DEVICE and self.device is not None:
            raise ValueError(f"{self.metric} does not depend on a device; remove device: {self.device}")
        if self.metric == "quality" and (self.at_most is not None or self.at_least is not None):
            raise ValueError("quality is known only after training, so it takes no at_most or at_least")
        if self.metric == "quality" and self.direction == "min":
            raise ValueError("quality is better when higher; direction: max")
        return self


class TaskSection(Section):
    """A task, its weight in the quality, and its own settings beside them."""

    task: str
    weight: float = Field(default=1.0, gt=0)
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather_settings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        settings = data.get("settings")
        if settings is not None and not isinstance(settings, dict):
            return data
        settings = dict(settings or {})
        settings |= {k: v for k, v in data.items() if k not in ("task", "weight", "settings")}
        for name in PATH_SETTINGS:
            if isinstance(settings.get(name), str):
                settings[name] = str(Path(settings[name]).expanduser().absolute())
        return {k: v for k, v in data.items() if k in ("task", "weight")} | {"settings": settings}


class SearchSection(Section):
    """The genetic algorithm; STAR's proportions by default (arXiv 2411.17800, section 4)."""

    algorithm: Literal["nsga2"] = "nsga2"
    population: int = Field(default=16, ge=2, le=4096)
    generations: int = Field(default=18, ge=1, le=10_000, description="the random first one included")
    elites: int = Field(default=2, ge=0, description="a later generation adds population - elites candidates")
    crossover_points: int = Field(default=2, ge=1)
    mutation: float = Field(default=0.1, ge=0, le=1, description="probability that a gene is drawn anew")
    tournament: int = Field(default=2, ge=1, description="contestants for each parent")

    @model_validator(mode="after")
    def _something_new(self) -> Self:
        if self.elites >= self.population:
            raise ValueError(f"elites {self.elites} leave no room in a population of {self.population}")
        return self


class BudgetSection(Section):
    """How each candidate is trained."""

    length: int = Field(default=64, ge=2, le=1_048_576, description="tokens of a sequence")
    batch: int = Field(default=16, ge=1, le=65_536, description="sequences of a step")
    rungs: list[int] = Field(default=[60, 180], min_length=1, description="training steps of each rung")
    promote: float = Field(
        default=1 / 3, gt=0, le=1, description="share of a generation that reaches the next rung"
    )
    learning_rates: list[float] = Field(default=[1e-3, 3e-3], min_length=1)
    warmup_steps: int | None = Field(default=None, ge=0, description="default: a tenth of the first rung")
    decay_fraction: float = Field(default=0.2, gt=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0)
    evaluation_batches: int = Field(default=8, ge=1, le=100_000)
    seeds: int = Field(default=1, ge=1, le=100, description="replicates of each trial; scores are averaged")
    threads: int = Field(default=1, ge=1, le=1024, description="CPU threads of a worker")
    platform: Literal["cpu", "gpu", "cuda", "rocm", "tpu"] = "cpu"
    timeout_s: float | None = Field(
        default=None, gt=0, description="a candidate that trains longer has failed"
    )

    @field_validator("rungs")
    @classmethod
    def _rise(cls, rungs: list[int]) -> list[int]:
        if any(b <= a for a, b in pairwise(rungs)) or rungs[0] < 2:
            raise ValueError("rungs are numbers of steps, from 2, each larger than the one before")
        return rungs

    @field_validator("learning_rates")
    @classmethod
    def _rates(cls, rates: list[float]) -> list[float]:
        if len(set(rates)) != len(rates) or not all(0 < rate <= 1 for rate in rates):
            raise ValueError("learning rates lie above 0, at most 1, and differ")
        return rates


class Campaign(Section):
    """A whole campaign, as its file says it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    seed: int = Field(default=0, ge=0)
    space: SpaceSection = Field(default_factory=SpaceSection)
    proxy: Scale = Field(default_factory=lambda: Scale(width=64, head_dim=16))
    target: Scale
    objectives: list[ObjectiveSection] = Field(min_length=1)
    tasks: list[TaskSection] = Field(min_length=1)
    search: SearchSection = Field(default_factory=SearchSection)
    budget: BudgetSection = Field(default_factory=BudgetSection)
    references: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if "quality" not in [o.metric for o in self.objectives]:
            raise ValueError("objectives: one must be {metric: quality}; without it nothing needs training")
        for what, found in (
            ("objectives", [o.full_name for o in self.objectives]),
            ("references", self.references),
        ):
            for name in found:
                if found.count(name) > 1:
                    raise ValueError(f"{what}: {name} is given twice")
        if self.proxy.blocks is not None:
            raise ValueError(
                f"proxy.blocks = {self.proxy.blocks}: the proxy has the layout's blocks; set space.blocks"
            )
        return self

    def check(self) -> None:
        """Everything that needs more than the file: space, scales, references, tasks and their data.

        Raises `InvalidInput` naming the key.
        """
        space = _keyed("space", self.space.space)
        _keyed("space", lambda: random_genome(space, np.random.default_rng(0)))
        for key, scale in (("proxy", self.proxy), ("target", self.target)):
            _keyed(f"space at the {key} scale", lambda scale=scale: space.check_scale(scale))
            for i, name in enumerate(self.references):
                layout = _keyed(f"references.{i}", lambda name=name: reference(name).layout(space.blocks))
                _keyed(
                    f"references.{i} at the {key} scale", lambda layout=layout, scale=scale: layout.at(scale)
                )
        for i, _ in enumerate(self.tasks):
            config = _keyed("budget", lambda i=i: self.trial_config(i, 0, self.budget.learning_rates[0]))
            _keyed(f"tasks.{i}", config.make_task)

    def task_name(self, index: int) -> str:
        """A name for each task that no other has: numbered where a task is used twice."""
        names = [section.task for section in self.tasks]
        name = names[index]
        return name if names.count(name) == 1 else f"{name}-{names[: index + 1].count(name)}"

    def trial_config(self, task: int, rung: int, learning_rate: float) -> TrialConfig:
        """The configuration of a trial. Raises `InvalidInput`."""
        section, budget = self.tasks[task], self.budget
        warmup = budget.warmup_steps
        try:
            return TrialConfig(
                task=section.task,
                settings=section.settings,
                length=budget.length,
                batch=budget.batch,
                steps=budget.rungs[rung],
                learning_rate=learning_rate,
                warmup_steps=budget.rungs[0] // 10 if warmup is None else warmup,
                decay_fraction=budget.decay_fraction,
                weight_decay=budget.weight_decay,
                evaluation_batches=budget.evaluation_batches,
            )
        except ValidationError as error:
            raise InvalidInput(describe(error)) from None

    def to_yaml(self) -> str:
        """The resolved file: every key written."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=100)


def load_campaign(path: Path | str, overrides: Sequence[str] = ()) -> Campaign:
    """Read a campaign file; `overrides` are `key.sub=value` with YAML values, indices for lists.

    Raises `InvalidInput` naming the file, the key, the value and what is legal.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: not a YAML file: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InvalidInput(f"{path}: expected keys and values, found {type(data).__name__}")
    for override in overrides:
        _set(data, override)
    try:
        return Campaign.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(f"{path}: {describe(error)}{_legal_keys(error)}") from None


def _legal_keys(error: ValidationError) -> str:
    """For each section with an unknown key, the keys that it has."""
    found = {}
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            *section, _ = item["loc"]
            model: Any = Campaign
            for part in section:
                if isinstance(part, str):
                    annotation = model.model_fields[part].annotation
                    model = (get_args(annotation) or (annotation,))[0]
            found[".".join(map(str, section)) or "a campaign"] = ", ".join(model.model_fields)
    return "".join(f"; keys of {section}: {keys}" for section, keys in found.items())


def _set(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InvalidInput(f"--set {override}: write key=value, for example budget.rungs=[20,40]")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InvalidInput(f"--set {override}: {text!r} is not a YAML value") from None
    *parents, last = key.strip().split(".")
    place: Any = data
    for part in parents:
        if isinstance(place, list):
            place = place[_index(place, part, override)]
        elif isinstance(place, dict):
            place[part] = {} if place.get(part) is None else place[part]
            place = place[part]
        else:
            raise InvalidInput(f"--set {override}: {part!r} stands inside a plain value")
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InvalidInput(f"--set {override}: {last!r} stands inside a plain value")


def _index(place: list[Any], part: str, override: str) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= len(place):
        raise InvalidInput(f"--set {override}: {part!r} is no index of a list of {len(place)}")
    return int(part)


def _keyed(key: str, action: Any) -> Any:
    try:
        return action()
    except InvalidInput as error:
        raise InvalidInput(f"{key}: {error}") from None
