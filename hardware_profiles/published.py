"""Whole-model timings that others published: what devices that are not at hand are validated against."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import Annotated

from pydantic import Field, ValidationError

import genomes
from genomes import CacheDtype, InvalidInput, WeightDtype
from genomes.errors import describe, unknown
from genomes.reading import parse_yaml
from hardware_profiles.cases import LATENCIES, PHASES, Phase
from hardware_profiles.cost import price
from hardware_profiles.device import Device
from hardware_profiles.traits import traits_of
from hardware_profiles.value import NonEmptyText, Value
from hardware_profiles.workload import Dtype, Estimate, FigureName, Workload

FORMAT = "archsearch/published"
VERSION = 1

_PUBLISHED = files("hardware_profiles") / "published"

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PublishedCase(Value):
    """One model at one context: prompts of that many tokens, and tokens decoded at that depth."""

    model: NonEmptyText
    context: int = Field(ge=1)
    prefill_tokens_per_s: Rate
    decode_tokens_per_s: Rate
    source: NonEmptyText


class Published(Value):
    """Timings of one publication on one device with one runtime; batch 1."""

    name: NonEmptyText
    device: NonEmptyText = Field(description="name of a shipped device")
    runtime: NonEmptyText
    dtype: Dtype = Field(description="what the arithmetic is priced in")
    weights: WeightDtype
    cache: CacheDtype
    fitted: NonEmptyText = Field(
        description="the model that the device's efficiency is fitted to; the others judge it"
    )
    cases: tuple[PublishedCase, ...] = Field(min_length=1)

    def timings(self) -> tuple["Timing", ...]:
        """Each rate as a timing, of a model stored as the runtime's come."""

        def workload(context: int) -> Workload:
            asked = Workload(context, dtype=self.dtype, weights=self.weights, cache=self.cache)
            return traits_of(self.runtime).shipped(asked)

        return tuple(
            Timing(
                case.model,
                phase,
                workload(case.context),
                getattr(case, f"{phase}_tokens_per_s"),
                case.source,
            )
            for case, phase in product(self.cases, PHASES)
        )


@dataclass(frozen=True)
class Timing:
    """A published rate of one phase of a shipped model (`genomes.model_names`)."""

    model: str
    phase: Phase
    workload: Workload
    tokens_per_s: float
    source: str

    @property
    def figure(self) -> FigureName:
        """Name of the figure that `latency_s` is."""
        return LATENCIES[self.phase]

    @property
    def tokens(self) -> int:
        """Tokens that the time of `latency_s` is for: the prompt, or one."""
        return self.workload.context if self.phase == "prefill" else 1

    @property
    def latency_s(self) -> float:
        """Time of the prompt, or of one decoded token."""
        return self.tokens / self.tokens_per_s


@dataclass(frozen=True)
class Comparison:
    """A published timing and what a device's profile predicts for it."""

    timing: Timing
    latency_s: Estimate

    @property
    def tokens_per_s(self) -> float:
        """Predicted rate."""
        return self.timing.tokens / self.latency_s.value

    @property
    def error(self) -> float:
        """Relative error of the predicted rate; below zero where it is too low."""
        return self.tokens_per_s / self.timing.tokens_per_s - 1

    @property
    def inside(self) -> bool:
        """Whether the published time lies in the predicted interval, rounding left aside."""
        return self.latency_s.low * 0.999 <= self.timing.latency_s <= self.latency_s.high * 1.001


def published_names() -> list[str]:
    """Names of the shipped publications."""
    entries = (entry.name for entry in _PUBLISHED.iterdir())
    return sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml"))


def published(name: str) -> Published:
    """A shipped publication. Raises `InvalidInput` listing the known ones."""
    if name not in published_names():
        raise unknown("publication", name, published_names())
    fields = parse_yaml((_PUBLISHED / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")
    header = fields.pop("format", None), fields.pop("version", None)
    if header != (FORMAT, VERSION):
        raise InvalidInput(f"{name}.yaml: format, version = {header}; expected {(FORMAT, VERSION)}")
    try:
        return Published.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(f"{name}.yaml: {describe(error)}") from None


def compare(device: Device, timings: Iterable[Timing]) -> list[Comparison]:
    """Each timing beside its prediction."""
    return [
        Comparison(timing, price(genomes.model(timing.model), device, timing.workload, timing.figure))
        for timing in timings
    ]
