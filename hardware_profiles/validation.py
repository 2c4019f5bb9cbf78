"""How far predictions are from whole models that were not used in the fit."""

from collections.abc import Sequence
from datetime import date
from statistics import mean, median

import numpy as np
from pydantic import Field

from genomes import InvalidInput
from hardware_profiles.value import Value
from hardware_profiles.workload import FigureName

FEWEST = 5
"""Models from which percentiles say something; below, the interval spans all factors."""


class Errors(Value):
    """Errors of one figure; a factor is measured over predicted, the machine's drift taken out."""

    models: int = Field(ge=1)
    mape: float = Field(ge=0, description="mean absolute relative error, of the measured figure")
    within_10: float = Field(ge=0, le=1, description="share of models within 10 %")
    within_20: float = Field(ge=0, le=1, description="share of models within 20 %")
    kendall_tau: float | None = Field(ge=-1, le=1, description="of the order; null below two models")
    worst: str = Field(description="the model with the largest error")
    worst_factor: float = Field(gt=0)
    low_factor: float = Field(gt=0, description="10th percentile of the factors")
    high_factor: float = Field(gt=0, description="90th percentile of the factors")
    repeat_spread: float | None = Field(
        ge=0, description="(largest - smallest) / median over the processes of a model, median over models"
    )


class Validation(Value):
    """Whole models measured on the device: what its intervals come from."""

    date: date
    context: int = Field(ge=1)
    batch: int = Field(ge=1)
    dtype: str
    weights: str | None = Field(default=None, description="what weights are stored in; null: dtype")
    cache: str | None = Field(default=None, description="what states are stored in; null: dtype")
    prefill_latency_s: Errors
    decode_latency_s: Errors
    peak_memory_bytes: Errors

    def errors_of(self, figure: FigureName) -> Errors:
        """The errors of one figure."""
        errors: Errors = getattr(self, figure)
        return errors


def errors(
    names: Sequence[str],
    measured: Sequence[float],
    predicted: Sequence[float],
    repeat_spreads: Sequence[float | None] = (),
) -> Errors:
    """Judge predictions of models by name. Raises `InvalidInput` without models."""
    from scipy.stats import kendalltau  # slow to import, and few need it

    if not names:
        raise InvalidInput("no models to validate on; expected at least one")
    factors = [m / p for m, p in zip(measured, predicted, strict=True)]
    off = [abs(p / m - 1) for m, p in zip(measured, predicted, strict=True)]
    worst = int(np.argmax(off))
    tau = float(kendalltau(measured, predicted).statistic) if len(names) > 1 else float("nan")
    low, high = np.percentile(factors, (10, 90)) if len(factors) >= FEWEST else (min(factors), max(factors))
    spreads = [spread for spread in repeat_spreads if spread is not None]
    return Errors(
        models=len(names),
        mape=mean(off),
        within_10=mean(error <= 0.1 for error in off),
        within_20=mean(error <= 0.2 for error in off),
        kendall_tau=None if np.isnan(tau) else tau,
        worst=names[worst],
        worst_factor=factors[worst],
        low_factor=float(low),
        high_factor=float(high),
        repeat_spread=median(spreads) if spreads else None,
    )
