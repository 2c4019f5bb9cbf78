"""Objectives: the axes of the front, with everything that each depends on.

An objective keeps its parts. Its full name and its labels are made from them and never read back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from genomes import CacheDtype, WeightDtype
from genomes.stored import own_types
from hardware_profiles import Dtype

Direction = Literal["min", "max"]
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
QUALITY = "quality"
ON_A_DEVICE = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
WITHOUT_CONTEXT = (QUALITY, "parameters")
"""Metrics that do not depend on a context."""
STORED: dict[str, tuple[str, ...]] = {"weights": ON_A_DEVICE, "cache": (*ON_A_DEVICE, "state_bytes")}
"""Keys of what is stored in another type than the arithmetic's, and the metrics that they matter to."""


@dataclass(frozen=True)
class Objective:
    """One axis of the front; a field that its metric does not depend on means nothing."""

    metric: Metric
    direction: Direction
    device: str | None = None
    """The device as the campaign calls it."""
    context: int = 1024
    """Tokens."""
    batch: int = 1
    """Sequences side by side."""
    dtype: Dtype = "float32"
    weights: WeightDtype | None = None
    """What weights are stored in; None: as the candidate says, else `dtype`."""
    cache: CacheDtype | None = None
    """What KV cache and recurrent states are stored in; None: as the candidate says, else `dtype`."""
    at_most: float | None = None
    at_least: float | None = None
    margin: float = 0.0
    """Natural logarithm of the ratio from which on two candidates' values surely differ; 0: any difference
    counts."""
    error: float = 0.0
    """The same by the errors of the device profile, whether the search compares by it or not; 0: unknown."""
    references: tuple[str, ...] = ()
    """The layouts that quality is measured against."""
    chosen: bool = False
    """Whether each candidate chooses what its states are stored in where `cache` is None."""

    @property
    def stored(self) -> dict[str, str]:
        """`weights` and `cache`, as far as they are set."""
        return own_types(self.weights, self.cache)

    @cached_property
    def name(self) -> str:
        """Metric and what it depends on, such as `decode_latency_s[this-machine,4096,1,float32]`; `weights=`
        and `cache=` stand behind it where they are set. A column of the tables, a key of the journal."""
        stored = "".join(f",{key}={value}" for key, value in self.stored.items())
        match self.metric:
            case "quality" | "parameters":
                return self.metric
            case "state_bytes":
                return f"{self.metric}[{self.context},{self.batch},{self.dtype}{stored}]"
            case "prefill_flops_per_token" | "decode_flops_per_token":
                return f"{self.metric}[{self.context}]"
            case _:
                return f"{self.metric}[{self.device},{self.context},{self.batch},{self.dtype}{stored}]"

    @property
    def unit(self) -> str:
        """`s`, `bytes`, or empty for a number without one."""
        return next((unit for unit in ("s", "bytes") if self.metric.endswith(f"_{unit}")), "")

    @property
    def figure(self) -> str:
        """The metric in words: `decode latency`."""
        return self.metric.removesuffix("_s").removesuffix("_bytes").replace("_", " ")

    @property
    def place(self) -> str:
        """Where the figure holds: `on this-machine`, or `against` the references; else empty."""
        if self.metric == QUALITY:
            return f"against {', '.join(self.references)}" if self.references else ""
        return f"on {self.device}" if self.device is not None else ""

    @property
    def circumstances(self) -> str:
        """What is asked there: `at 4096 tokens, batch 8 (float16, weights int4)`; empty where nothing is."""
        match self.metric:
            case "quality" | "parameters":
                return ""
            case "state_bytes":
                stored = self.cache or ("as stored" if self.chosen else self.dtype)
                return f"at {self.context} tokens ({stored})"
            case "prefill_flops_per_token" | "decode_flops_per_token":
                return f"at {self.context} tokens"
        types: list[str] = [self.dtype] if self.dtype != "float32" or self.stored else []
        types += [f"{key} {dtype}" for key, dtype in self.stored.items()]
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        return f"at {self.context} tokens{batch}" + (f" ({', '.join(types)})" if types else "")

    @property
    def label(self) -> str:
        """For people: `decode latency on this-machine at 4096 tokens`."""
        return _words(self.figure, self.place, self.circumstances)

    @property
    def details(self) -> str:
        """The label without its figure: `on this-machine at 4096 tokens`."""
        return _words(self.place, self.circumstances)

    @property
    def short_label(self) -> str:
        """Figure and device: `decode latency on this-machine`."""
        return self.figure if self.metric == QUALITY else _words(self.figure, self.place)


def broken_bound(objectives: Iterable[Objective], values: Mapping[str, float]) -> str | None:
    """Which bound the values break, by full name of the objective, in words, or None."""
    for o in objectives:
        value = values.get(o.name)
        if value is None:
            continue
        cost = f"{o.name} = {value:.6g} {o.unit}".rstrip()
        if o.at_most is not None and value > o.at_most:
            return f"{cost} is above at_most = {o.at_most:.6g}"
        if o.at_least is not None and value < o.at_least:
            return f"{cost} is below at_least = {o.at_least:.6g}"
    return None


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)
