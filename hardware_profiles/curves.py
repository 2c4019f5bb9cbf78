"""Measured curves: what a block of each operator takes on a machine, from blocks that were measured there.

A family is an operator, the types of arithmetic, weights and states, and what is asked: seconds of a prompt,
seconds of a decoded token, or bytes of working memory. It is linear in the block's work (`decode_terms`,
`prefill_terms`, `working_terms`), with coefficients of at least zero that give the measured medians back best
in relative terms, those whose samples differ counting less; what the line misses at each measured width is
kept as a factor, interpolated in the logarithm of the width. Blocks of other sizes follow the line, and the
factor of the nearest measured width.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import exp, log
from statistics import median

import numpy as np
from pydantic import Field, model_validator

from genomes import InvalidInput, Operator
from hardware_profiles.cases import QUANTITIES, Measured, Quantity
from hardware_profiles.terms import Terms, terms_of
from hardware_profiles.value import Value
from hardware_profiles.workload import Workload


class Family(Value):
    """What a block takes: `sum of coefficients x terms`, times the factor of its width."""

    operator: str
    quantity: Quantity
    dtype: str
    weights: str | None = Field(default=None, description="what weights are stored in; null: dtype")
    cache: str | None = Field(default=None, description="what states are stored in; null: dtype")
    head: str | None = Field(default=None, description="what the table of the logits is in; null: weights")
    coefficients: dict[str, float] = Field(description="seconds, or bytes, a unit of each term")
    factors: dict[int, float] = Field(min_length=1, description="measured over linear, by width")
    longest_context: int = Field(ge=1, description="most tokens that were measured")
    batches: tuple[int, ...] = Field(min_length=1)
    misfit: float = Field(ge=0, description="median relative error on the rows that it was fitted to")
    rows: int = Field(ge=1)
    cached: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of a token's time when the last-level cache holds the model; null: not measured",
    )

    @model_validator(mode="after")
    def _positive(self) -> "Family":
        if any(value < 0 for value in self.coefficients.values()):
            raise ValueError("coefficients: expected at least 0")
        if any(value <= 0 for value in self.factors.values()):
            raise ValueError("factors: expected above 0")
        return self

    @property
    def types(self) -> tuple[str, str, str]:
        """Types of arithmetic, weights and states."""
        return self.dtype, self.weights or self.dtype, self.cache or self.dtype

    def amount(self, terms: Terms, width: int) -> float:
        """What one block takes."""
        return self.linear(terms) * self.factor(width)

    def linear(self, terms: Terms) -> float:
        """Without the factor of its width."""
        return sum(value * terms[name] for name, value in self.coefficients.items())

    def factor(self, width: int) -> float:
        """Interpolated between measured widths, that of the nearest one outside."""
        widths = sorted(self.factors)
        place = bisect_left(widths, width)
        if place == 0 or place == len(widths):
            return self.factors[widths[min(place, len(widths) - 1)]]
        below, above = widths[place - 1], widths[place]
        share = (log(width) - log(below)) / (log(above) - log(below))
        return exp((1 - share) * log(self.factors[below]) + share * log(self.factors[above]))

    def beyond(self, block: Operator | None, width: int, workload: Workload) -> list[str]:
        """In words, how a block (None: the head) lies outside of what was measured; empty where it does not.

        A longer context is more of the same to a block whose state does not grow with it.
        """
        longest = self.longest_context
        grows = block is not None and (
            block.state_elements(width, workload.context) > block.state_elements(width, longest)
        )
        words = []
        if block is None and self.head != workload.head:
            head, asked = self.head or self.types[1], workload.head or workload.weight_dtype
            words.append(f"measured in {head}, not in {asked}")
        smallest, largest = min(self.factors), max(self.factors)
        if not smallest <= width <= largest:
            words.append(f"width {width} is outside the measured {smallest} to {largest}")
        if grows:
            words.append(f"context {workload.context} is past the measured {longest}")
        if not min(self.batches) <= workload.batch <= max(self.batches):
            words.append(f"batch {workload.batch} is outside the measured {self.batches}")
        return words


def fit_families(rows: Iterable[Measured]) -> tuple[Family, ...]:
    """A family for each operator, quantity and types of the rows. Raises `InvalidInput` without rows."""
    groups: dict[tuple[str | None, ...], list[Measured]] = defaultdict(list)
    for row in rows:
        groups[row.case.operator, row.case.dtype, row.case.weights, row.case.cache].append(row)
    if not groups:
        raise InvalidInput("no measured rows; expected at least one")
    return tuple(_fit(quantity, group) for group in groups.values() for quantity in QUANTITIES)


def _fit(quantity: Quantity, rows: Sequence[Measured]) -> Family:
    from scipy.optimize import nnls  # slow to import, and few need it

    work = [terms_of(row.case, quantity) for row in rows]
    amounts = np.array([row.amount(quantity) for row in rows])
    trust = np.array([row.trust(quantity) for row in rows])
    names = sorted({name for terms in work for name, value in terms.items() if value})
    matrix = np.array([[terms.get(name, 0.0) for name in names] for terms in work]) / amounts[:, None]
    scale = np.abs(matrix).max(0)
    solution, _ = nnls(trust[:, None] * matrix / scale, trust)
    coefficients = {
        name: value for name, value in zip(names, (solution / scale).tolist(), strict=True) if value > 0
    }
    linear = [sum(value * terms[name] for name, value in coefficients.items()) for terms in work]
    missed, widths = np.log(amounts / linear), np.array([row.case.width for row in rows])
    factors = {
        width: exp(float(np.average(missed[widths == width], weights=trust[widths == width] ** 2)))
        for width in sorted(set(widths.tolist()))
    }
    family = Family(
        operator=rows[0].case.operator,
        quantity=quantity,
        dtype=rows[0].case.dtype,
        weights=rows[0].case.weights,
        cache=rows[0].case.cache,
        head=rows[0].case.head,
        coefficients=coefficients,
        factors=factors,
        longest_context=max(row.case.context for row in rows),
        batches=tuple(sorted({row.case.batch for row in rows})),
        misfit=0.0,
        rows=len(rows),
        cached=_cached(rows) if quantity == "decode" else None,
    )
    errors = [
        abs(family.amount(terms, row.case.width) / amount - 1)
        for row, terms, amount in zip(rows, work, amounts, strict=True)
    ]
    return family.model_copy(update={"misfit": float(median(errors))})


def _cached(rows: Sequence[Measured]) -> float | None:
    """The usual share of a token's time that is left where nothing comes from memory."""
    shares = [row.cached_s / row.decode_s for row in rows if row.cached_s is not None]
    return min(1.0, median(shares)) if shares else None
