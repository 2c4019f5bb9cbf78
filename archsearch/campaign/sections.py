"""The sections of a campaign file; every key typed and bounded."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from archsearch.campaign.objectives import ON_A_DEVICE, QUALITY, STORED, Direction, Metric, Objective
from archsearch.campaign.rates import SHORTEST_STAGE_STEPS, Stage, stages
from genomes import (
    CacheDtype,
    InvalidInput,
    Loader,
    Scale,
    SearchSpace,
    StoredChoices,
    WeightDtype,
    block_class,
    deployable,
    preset,
)
from genomes.stored import own_types
from hardware_profiles import Dtype
from proxies.trial import MOST_STEPS

ALGORITHMS = {"nsga2": "archsearch.search.nsga2:Nsga2"}
"""What `search.algorithm` may be, and the class that it names, imported when a search begins."""
PATH_SETTINGS = ("path", "tokenizer")
"""Settings of tasks that name files: made absolute, so that workers find them."""


def _whole(value: Any) -> Any:
    """`350e6` is a whole number, though YAML reads it as a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        raise ValueError(f"legal: {', '.join(ALGORITHMS)}")
    return name


class Section(BaseModel):
    """Base of the sections: frozen, unknown keys refused, no text or flag read as a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SpaceSection(Section):
    """What may be built."""

    preset: str | None = Field(default="hybrid", description="none: only `classes`")
    blocks: int | None = Field(
        default=None, ge=1, le=256, description="blocks of a genome, at most; default: the preset's"
    )
    min_blocks: int | None = Field(
        default=None, ge=1, le=256, description="fewest blocks of a genome; default: the preset's"
    )
    parameters: Annotated[int, BeforeValidator(_whole)] | None = Field(
        default=None, ge=1, le=10**13, description="parameters of every candidate at the target, within 1 %"
    )
    classes: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="classes of blocks beside the preset's: name and variants, as layouts write them",
    )
    deploys_to: list[Loader] = Field(
        default_factory=list, description="runtimes that must load every candidate"
    )
    weights: list[WeightDtype] = Field(
        default_factory=list,
        description="types that a candidate's weights may be stored in; none: as the arithmetic",
    )
    cache: list[CacheDtype] = Field(
        default_factory=list,
        description="types that its KV cache and recurrent states may be stored in; none: as the arithmetic",
    )

    @model_validator(mode="after")
    def _something_to_build(self) -> Self:
        if self.preset is None and not (self.classes and self.blocks):
            raise ValueError("without a preset, classes and blocks say what to build")
        return self

    def space(self, target: Scale) -> SearchSpace:
        """The search space of what `target` is deployed at. Raises `InvalidInput`."""
        own = tuple(block_class(name, *variants) for name, variants in self.classes.items())
        if self.preset is None:
            assert self.blocks is not None
            space = SearchSpace("custom", "The classes of the campaign file.", own, self.blocks)
        else:
            space = preset(self.preset)
            if taken := {each.name for each in own} & {each.name for each in space.classes}:
                raise InvalidInput(f"classes: {', '.join(sorted(taken))} is one of {self.preset} already")
            space = replace(space, classes=space.classes + own)
        stored = StoredChoices(tuple(self.weights), tuple(self.cache))
        space = replace(space.with_blocks(self.blocks or space.blocks, self.min_blocks), stored=stored)
        return deployable(space, self.deploys_to, target) if self.deploys_to else space


class ObjectiveSection(Section):
    """A named metric, its direction and an optional bound, which rejects before training."""

    metric: Metric
    direction: Direction | None = Field(default=None, description="default: max for quality, else min")
    device: str | None = None
    context: int = Field(default=1024, ge=1, le=10_000_000, description="tokens")
    batch: int = Field(default=1, ge=1, le=65_536)
    dtype: Dtype = "float32"
    weights: WeightDtype | None = Field(
        default=None, description="what weights are stored in; default: as the candidate says, else dtype"
    )
    cache: CacheDtype | None = Field(
        default=None,
        description="what KV cache and recurrent states are stored in; default: as the candidate says, "
        "else dtype",
    )
    at_most: float | None = Field(default=None, gt=0)
    at_least: float | None = Field(default=None, ge=0)

    def objective(self, references: Sequence[str] = (), chosen: bool = False) -> Objective:
        """The axis of the front that the section means; `chosen`: candidates choose what their states are
        stored in."""
        quality = self.metric == QUALITY
        return Objective(
            metric=self.metric,
            direction=self.direction or ("max" if quality else "min"),
            device=self.device,
            context=self.context,
            batch=self.batch,
            dtype=self.dtype,
            weights=self.weights,
            cache=self.cache,
            at_most=self.at_most,
            at_least=self.at_least,
            references=tuple(references) if quality else (),
            chosen=chosen,
        )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.metric in ON_A_DEVICE and self.device is None:
            raise ValueError(
                f"{self.metric} needs a device, for example this-machine; archsearch devices lists them"
            )
        if self.metric not in ON_A_DEVICE and self.device is not None:
            raise ValueError(f"{self.metric} does not depend on a device; remove device: {self.device}")
        stored = own_types(self.weights, self.cache)
        for key, metrics in STORED.items():
            if key in stored and self.metric not in metrics:
                raise ValueError(
                    f"{self.metric} does not depend on {key}; remove {key}: {stored[key]}, "
                    f"which is for {', '.join(metrics)}"
                )
        if self.metric == QUALITY and (self.at_most is not None or self.at_least is not None):
            raise ValueError("quality is known only after training, so it takes no at_most or at_least")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least:g} is above at_most {self.at_most:g}")
        if self.metric == QUALITY and self.direction == "min":
            raise ValueError("quality is better when higher; direction: max")
        return self


class TaskSection(Section):
    """A task, its weight in the quality, and its own settings beside them."""

    task: str
    weight: float = Field(default=1.0, gt=0, le=1e6)
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
            if name in settings and settings[name] in ("", None):
                raise ValueError(f"{name} is empty; give a path, or leave {name} out")
            if isinstance(settings.get(name), str):
                settings[name] = str(Path(settings[name]).expanduser().absolute())
        return {k: v for k, v in data.items() if k in ("task", "weight")} | {"settings": settings}


class SearchSection(Section):
    """The genetic algorithm; STAR's proportions by default (arXiv 2411.17800, section 4)."""

    algorithm: Annotated[str, AfterValidator(_algorithm)] = "nsga2"
    dominance: Literal["values", "intervals"] = Field(
        default="values",
        description="intervals: differences within the errors of a validated device profile do not count",
    )
    population: int = Field(default=16, ge=2, le=4096)
    generations: int = Field(default=18, ge=1, le=10_000, description="the random first one included")
    elites: int = Field(default=2, ge=0, description="a later generation adds population - elites candidates")
    crossover_points: int = Field(default=2, ge=1, le=4096)
    mutation: float = Field(default=0.1, ge=0, le=1, description="probability that a gene is drawn anew")
    structural: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="probability that blocks of a child are swapped, inserted, deleted or duplicated",
    )
    tournament: int = Field(default=2, ge=1, le=4096, description="contestants for each parent")

    def wanted(self, generation: int) -> int:
        """Number of new candidates of a generation; from the second on, elites keep their places."""
        return self.population - (self.elites if generation else 0)

    @model_validator(mode="after")
    def _something_new(self) -> Self:
        if self.elites >= self.population:
            raise ValueError(f"elites {self.elites} leave no room in a population of {self.population}")
        return self


class FinalistsSection(Section):
    """What is measured for real after the search."""

    count: int = Field(default=0, ge=0, le=100, description="candidates, the front first; 0: none")
    processes: int = Field(
        default=3, ge=1, le=100, description="fresh processes of a measurement on this machine"
    )


class BudgetSection(Section):
    """How each candidate is trained."""

    length: int = Field(default=64, ge=2, le=1_048_576, description="tokens of a sequence")
    batch: int = Field(default=16, ge=1, le=65_536, description="sequences of a step")
    rungs: list[int] = Field(default=[60, 180], min_length=1, description="training steps of each rung")
    promote: float = Field(
        default=1 / 3, gt=0, le=1, description="share of a generation that reaches the next rung"
    )
    learning_rates: list[float] = Field(
        default=[2.5e-4, 1e-3, 4e-3, 1.6e-2],
        min_length=1,  # as in runs of older versions; a new one needs two (`Campaign.check`)
        description="grid of two rates or more; each candidate takes the best on validation, task by task",
    )
    warmup_steps: int | None = Field(default=None, ge=0, description="default: a tenth of the first rung")
    decay_fraction: float = Field(default=0.2, gt=0, lt=1)
    weight_decay: float = Field(default=0.1, ge=0, le=10)
    evaluation_batches: int = Field(default=8, ge=1, le=100_000)
    seeds: int = Field(
        default=1, ge=1, le=100, description="replicates of each candidate; scores are averaged"
    )
    reference_seeds: int = Field(default=3, ge=3, le=100, description="replicates of each reference")
    final_seeds: int = Field(
        default=3,
        ge=1,
        le=100,
        description="fresh replicates of the front and the references, trained after the search",
    )
    threads: int = Field(default=1, ge=1, le=1024, description="CPU threads of a worker")
    platform: Literal["cpu", "gpu", "cuda", "rocm", "tpu"] = "cpu"
    timeout_s: float | None = Field(
        default=None, gt=0, le=1e9, description="a candidate that trains longer has failed"
    )

    @field_validator("rungs")
    @classmethod
    def _rise(cls, rungs: list[int]) -> list[int]:
        if any(b <= a for a, b in pairwise(rungs)) or rungs[0] < 2 or rungs[-1] > MOST_STEPS:
            raise ValueError(
                f"rungs are numbers of steps, from 2 to {MOST_STEPS}, each larger than the one before"
            )
        return rungs

    @field_validator("learning_rates")
    @classmethod
    def _rates(cls, rates: list[float]) -> list[float]:
        if len(set(rates)) != len(rates) or not all(0 < rate <= 1 for rate in rates):
            raise ValueError("learning rates lie above 0, at most 1, and differ")
        return rates

    @model_validator(mode="after")
    def _warms_up(self) -> Self:
        if self.warmup_steps is not None and self.warmup_steps >= self.rungs[0]:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} leave no step at the full rate in a rung of "
                f"{self.rungs[0]}; legal: fewer than the first rung has"
            )
        return self

    @property
    def final_rung(self) -> int:
        """Number of the final training, one beyond the last rung."""
        return len(self.rungs)

    def steps(self, rung: int) -> int:
        """Training steps of a rung; the final training has those of the last."""
        return self.rungs[min(rung, self.final_rung - 1)]

    @property
    def warmup(self) -> int:
        """Steps of warm-up, the same at every rung."""
        return self.rungs[0] // 10 if self.warmup_steps is None else self.warmup_steps

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in which the first rung tries the learning rates.

        None is shorter than twice the warm-up, so that rates are compared at their full height, nor so short
        that its decay rounds to no step.
        """
        shortest = max(SHORTEST_STAGE_STEPS, 2 * self.warmup, math.ceil(1 / self.decay_fraction))
        return stages(self.rungs[0], len(self.learning_rates), shortest)

    def replicates(self, is_reference: bool) -> int:
        """Replicates of a candidate or a reference at each rung."""
        return max(self.seeds, self.reference_seeds) if is_reference else self.seeds
