"""The device file: a named device's peaks, each with its source.

All throughput figures are *dense*: a vendor's figure "with sparsity" counts multiplications by pruned zeros
and is twice the dense one on NVIDIA's tensor cores since Ampere (arXiv 2104.08378).
"""

from datetime import date
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, model_validator

from genomes import InvalidInput
from hardware_profiles.cases import Phase
from hardware_profiles.curves import Family
from hardware_profiles.efficiency import Efficiency
from hardware_profiles.validation import Validation
from hardware_profiles.value import NonEmptyText, Value
from hardware_profiles.workload import Dtype

FORMAT = "archsearch/device"
VERSION = 3
"""Older ones are read too. Version 1 has no families; curves of version 2 may be of other counts."""
RECOUNTED_IN, RECOUNTED = 2, ("mla", "hyena")
"""Operators whose prompts were counted otherwise up to that version: curves of them are left out."""


def _number(value: object) -> object:
    """YAML 1.1 reads `1e9` as a string and `yes` as a flag: take the first, refuse the second."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


Positive = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]


class Figure(Value):
    """A number above zero and where it comes from; a derivation written out is a source."""

    value: Positive
    source: NonEmptyText


class Overhead(Value):
    """A time of at least zero and where it comes from."""

    value: NotNegative
    source: NonEmptyText


class Peak(Figure):
    """Dense throughput of one dtype."""

    accumulate_dtype: Literal["float32", "float16"] | None = Field(
        default=None, description="type of the sums, where the rate depends on it"
    )

    @model_validator(mode="after")
    def _dense(self) -> "Peak":
        words = self.source.lower()
        if "spars" in words and not any(word in words for word in ("dense", "halved")):
            raise ValueError(
                f"source = {self.source!r} speaks of sparsity; expected the dense figure, half of it, and a "
                "source that says so: '..., halved', or '..., dense'"
            )
        return self


class Power(Figure):
    """Watts of the whole device under load, and the range of its power modes where the source gives one."""

    low: Positive | None = None
    high: Positive | None = None

    @model_validator(mode="after")
    def _in_range(self) -> "Power":
        if not (self.low or self.value) <= self.value <= (self.high or self.value):
            raise ValueError(f"low, value, high = {self.low}, {self.value:g}, {self.high}: expected to rise")
        return self


class ProbeRow(Value):
    """One measured program."""

    probe: Literal["matmul", "matvec", "dispatch"]
    dtype: Dtype
    shape: tuple[int, ...]
    flops: NotNegative
    bytes: NotNegative = Field(description="read and written at least")
    median_s: Positive
    p10_s: Positive
    p90_s: Positive
    repeats: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> "ProbeRow":
        if not self.p10_s <= self.median_s <= self.p90_s:
            raise ValueError(
                f"p10_s, median_s, p90_s = {self.p10_s:g}, {self.median_s:g}, {self.p90_s:g}: "
                "expected in rising order"
            )
        return self


class Provenance(Value):
    """How a measured profile came to be."""

    runtime: NonEmptyText = Field(description="such as jax-cpu")
    runtime_version: NonEmptyText
    processor: NonEmptyText
    threads: int = Field(ge=1)
    date: date
    load_average: NotNegative | None = Field(default=None, description="of one minute, when it was measured")
    foreign_cores: NotNegative | None = Field(
        default=None, description="cores that other programs took, just before and after it was measured"
    )
    clock_hz: Positive | None = Field(default=None, description="of the processor, where the system tells it")
    rows: tuple[ProbeRow, ...] = ()


class Device(Value):
    """One device as the cost model sees it; null where a figure is not known.

    Read with `device` or `load_device`, write with `to_yaml`.
    """

    name: NonEmptyText
    description: str = ""
    kind: Literal["cpu", "gpu", "npu"]
    calibration: Literal["spec-only", "fitted-to-published", "measured", "calibrated"]
    peak_flops_per_s: dict[Dtype, Peak] = Field(min_length=1)
    matvec_flops_per_s: dict[Dtype, Peak] = Field(
        default={}, description="rate of matrix-vector products where something else than memory bounds it"
    )
    dram_bandwidth_bytes_per_s: Figure
    memory_bytes: Figure | None = None
    cache_bytes: Figure | None = Field(default=None, description="last level")
    power_w: Power | None = None
    overhead_s: Overhead | None = Field(default=None, description="time of an operator that does nothing")
    efficiency: Efficiency | None = Field(default=None, description="shares of the peaks, fitted")
    provenance: Provenance | None = None
    families: tuple[Family, ...] = Field(default=(), description="measured curves of operators")
    yardstick_s: dict[Phase, Positive] | None = Field(
        default=None, description="time of the yardstick when the families were measured"
    )
    process_bytes: NotNegative = Field(
        default=0.0, description="what a process holds beside weights, state and what programs say they need"
    )
    measure_command: tuple[NonEmptyText, ...] = Field(
        default=(),
        description="program and arguments that measure an architecture on the device; {arch}, {context}, "
        "{batch}, {dtype}, {weights} and {cache} are filled in",
    )
    measure_timeout_s: Positive = Field(default=3600.0, description="after which the command is ended")
    cases_failed: int = Field(default=0, ge=0, description="cases of the calibration that gave no time")
    cases_unstable: int = Field(
        default=0, ge=0, description="cases whose samples differ much, or that other programs disturbed"
    )
    validation: Validation | None = None

    @model_validator(mode="after")
    def _measured_says_how(self) -> "Device":
        here = self.calibration in ("measured", "calibrated")
        if here != (self.provenance is not None):
            raise ValueError(
                f"calibration = {self.calibration!r} with provenance "
                f"{'missing' if self.provenance is None else 'given'}; "
                "a measured profile has a provenance, a spec-only one has none"
            )
        if (self.calibration == "calibrated") != bool(self.families):
            raise ValueError(
                f"calibration = {self.calibration!r} with {len(self.families)} families; a calibrated "
                "profile has families, others have none"
            )
        if (self.calibration == "fitted-to-published") != (self.efficiency is not None):
            raise ValueError(
                f"calibration = {self.calibration!r} with efficiency "
                f"{'missing' if self.efficiency is None else 'given'}; "
                "a profile that is fitted-to-published has an efficiency, others have none"
            )
        return self

    def __hash__(self) -> int:
        """Cheap, and equal for equal devices: what is priced is kept by the device's value."""
        return hash((self.name, self.calibration, self.dram_bandwidth_bytes_per_s.value, len(self.families)))

    def peak(self, dtype: str) -> float:
        """Dense FLOP/s at a dtype. Raises `InvalidInput` listing the dtypes that the profile has."""
        for name, peak in self.peak_flops_per_s.items():
            if name == dtype:
                return peak.value
        raise InvalidInput(
            f"device {self.name}: no peak_flops_per_s for dtype {dtype!r}; "
            f"it has {', '.join(self.peak_flops_per_s)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The plain values of the device file."""
        return {"format": FORMAT, "version": VERSION} | self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The text of the device file; `load_device` gives the same device back."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)
