"""Numbers for people: SI prefixes, decimals that suit a column, durations."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

_PREFIXES: dict[str, tuple[tuple[float, str], ...]] = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "bytes": ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "": ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"), (0.0, "")),
}
MINUS, DASH = "\u2212", "\u2013"


@dataclass(frozen=True)
class Unit:
    """What numbers are divided by before they are shown, and what that is called."""

    symbol: str
    factor: float = 1.0


@dataclass(frozen=True)
class Style:
    """How the numbers of one column or axis are written."""

    unit: Unit
    decimals: int
    signed: bool = False

    def text(self, value: float | None) -> str:
        """The number without its unit."""
        if value is None or not math.isfinite(value):
            return DASH
        shown = f"{value / self.unit.factor:{'+' if self.signed else ''},.{self.decimals}f}"
        return shown.replace(",", "\u202f").replace("-", MINUS)

    def range(self, low: float, high: float) -> str:
        """An interval without its unit."""
        return f"{self.text(low)}{DASH}{self.text(high)}"


def finite(values: Iterable[float | None]) -> list[float]:
    """The numbers among the values."""
    return [value for value in values if value is not None and math.isfinite(value)]


def unit_for(unit: str, values: Iterable[float | None]) -> Unit:
    """The prefix under which the median of the values reads best (bytes are decimal: 1 GB = 10^9)."""
    sizes = [abs(value) for value in finite(values) if value]
    prefixes = _PREFIXES.get(unit)
    if prefixes is None:
        return Unit(unit)
    typical = median(sizes) if sizes else 1.0
    factor, symbol = next((p for p in prefixes if typical >= p[0]), prefixes[-1])
    return Unit(symbol, factor or 1.0)


def with_unit(label: str, unit: Unit) -> str:
    """`decode latency (ms)`; the label alone where there is no unit."""
    return f"{label} ({unit.symbol})" if unit.symbol else label


def style_for(unit: str, values: Iterable[float | None], signed: bool = False, digits: int = 3) -> Style:
    """Unit and decimals that give the column's median `digits` significant digits."""
    numbers = finite(values)
    chosen = unit_for(unit, numbers)
    sizes = [abs(value) / chosen.factor for value in numbers if value]
    typical = median(sizes) if sizes else 1.0
    decimals = digits - 1 - math.floor(math.log10(typical))
    return Style(chosen, min(max(decimals, 0), 6), signed)


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """One number with its unit, on its own."""
    if value is None or not math.isfinite(value):
        return DASH
    style = style_for(unit, [value], digits=digits)
    return f"{style.text(value)} {style.unit.symbol}".strip()


def rate(value: float, unit: str) -> str:
    """A rate such as `153.6 GFLOP/s`."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def duration(seconds: float) -> str:
    """A time in seconds as people say it: `42 s`, `5 min 03 s`, `2 h 07 min`."""
    if not math.isfinite(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(share: float) -> str:
    """A share of 1; small ones keep a digit."""
    return f"{100 * share:.0f} %" if share >= 0.0995 or share == 0 else f"{100 * share:.1f} %"
