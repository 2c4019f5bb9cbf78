"""One axis of a chart: range, linear or logarithmic, ticks, title."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archsearch.campaign.objectives import Objective
from archsearch.reporting.units import MINUS, Unit, finite, unit_for, with_unit

_PADDING = 0.06
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), tuple(range(1, 10)))


@dataclass(frozen=True)
class Axis:
    """Maps values, in the objective's own unit, to 0 ... 1 of the axis' length."""

    title: str
    low: float
    high: float
    log: bool
    ticks: tuple[tuple[float, str], ...]
    """Value in the own unit, and its text in the shown unit."""

    def fraction(self, value: float) -> float:
        """Where the value lies: 0 at the low end, 1 at the high end, beyond them outside."""
        if self.log:
            if value <= 0:
                return -1.0
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def objective_axis(objective: Objective, shown: Iterable[float], others: Iterable[float] = ()) -> Axis:
    """The axis of an objective.

    All of `shown` lie on it. `others` widen it up to twice that range, so that a candidate which diverged
    does not press the rest into a corner. Logarithmic where more than a decade is spanned.
    """
    core, rest = finite(shown), finite(others)
    if len(set(core)) < 2:
        core, rest = core + rest, []
    better = "← better" if objective.direction == "min" else "better →"
    if not core:
        return Axis(f"{objective.label}  {better}", 0.0, 1.0, log=False, ticks=())
    low, high = min(core), max(core)
    log = low > 0 and high > 10 * low
    span = math.log(high / low) if log else high - low
    room = (low / math.exp(span / 2), high * math.exp(span / 2)) if log else (low - span / 2, high + span / 2)
    inside = [value for value in rest if room[0] <= value <= room[1]]
    low, high = min([low, *inside]), max([high, *inside])
    unit = unit_for(objective.unit, core)
    return _axis(f"{with_unit(objective.label, unit)}  {better}", low, high, unit)


def count_axis(title: str, high: float) -> Axis:
    """An axis of counts from 0."""
    return _framed(title, 0.0, max(high, 1.0), log=False, unit=Unit(""), whole=True)


def amount_axis(title: str, values: Sequence[float]) -> Axis:
    """A linear axis from 0, or from the least value where that is negative."""
    low, high = min([0.0, *values]), max([0.0, *values])
    slack = _PADDING * (high - low) or 1.0
    return _framed(title, low - (slack if low else 0.0), high + slack, log=False, unit=Unit(""))


def _axis(title: str, low: float, high: float, unit: Unit) -> Axis:
    if low == high:
        slack = abs(low) * 0.05 or 1.0
        return _framed(title, low - slack, high + slack, log=False, unit=unit)
    if low > 0 and high > 10 * low:
        slack = math.exp(_PADDING * math.log(high / low))
        return _framed(title, low / slack, high * slack, log=True, unit=unit)
    slack = _PADDING * (high - low)
    return _framed(title, low - slack, high + slack, log=False, unit=unit)


def _framed(title: str, low: float, high: float, log: bool, unit: Unit, whole: bool = False) -> Axis:
    shown = (low / unit.factor, high / unit.factor)
    ticks = _log_ticks(*shown) if log else _linear_ticks(*shown, whole=whole)
    return Axis(title, low, high, log, tuple((tick * unit.factor, text) for tick, text in ticks))


def _linear_ticks(low: float, high: float, whole: bool) -> list[tuple[float, str]]:
    rough = (high - low) / 6
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * 0.999)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    decimals = next((d for d in range(9) if math.isclose(round(step, d), step, rel_tol=1e-6)), 9)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(n * step, f"{n * step:.{decimals}f}".replace("-", MINUS)) for n in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for digits in _LOG_DIGITS:
        ticks = [d * 10.0**p for p in powers for d in digits if low <= d * 10.0**p <= high]
        if len(ticks) >= 4:
            break
    return [(tick, f"{tick:.10g}") for tick in ticks]
