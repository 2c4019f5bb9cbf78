"""Shares of a device's peaks that a published runtime reached: a profile without the device at hand."""

from typing import Annotated

from pydantic import Field

from genomes import WeightDtype
from hardware_profiles.value import NonEmptyText, Value
from hardware_profiles.workload import Dtype

Factor = Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]


class PeakShare(Value):
    """What a runtime reaches of a peak, as a fraction of it."""

    value: Annotated[float, Field(gt=0, le=1)]
    source: NonEmptyText


class Spread(Value):
    """Factors by which whole models that were not fitted were faster and slower than predicted, at most."""

    faster: Factor
    slower: Factor
    source: NonEmptyText


class Efficiency(Value):
    """Shares fitted to published timings of whole models; they replace the typical fractions of the peaks.

    The spreads hold for the deployment that was timed, `weights` and arithmetic in `dtype`; at others the
    interval begins at the peaks.
    """

    runtime: NonEmptyText
    dtype: Dtype
    weights: WeightDtype
    compute: PeakShare = Field(
        description="of the peak of `dtype`, in all that does not grow with the context"
    )
    context: PeakShare | None = Field(
        default=None, description="of that peak, in attention scores and their like; null: as compute"
    )
    bandwidth: PeakShare
    prefill: Spread
    decode: Spread
