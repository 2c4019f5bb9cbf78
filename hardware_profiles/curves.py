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
from typing import Literal, get_args

import numpy as np
from pydantic import Field, model_validator

from genomes import InvalidInput, Operator
from genomes.operators import read_operator
from hardware_profiles.value import Value
from hardware_profiles.work import chunk_flops, table_bytes, weight_traffic_bytes
from hardware_profiles.workload import Workload

Phase = Literal["prefill", "decode"]
PHASES: tuple[Phase, ...] = get_args(Phase)
Timed = Literal["prefill", "decode", "cached"]
"""What is timed of a stack; `cached` is a token when the last-level cache holds the stack."""
Quantity = Literal["prefill", "decode", "working"]
"""Seconds, seconds, bytes beside weights and state."""
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
UNSTABLE = 0.5
"""Spread of single samples, (p90 - p10) / median, from which a case is marked."""
STEADY = 0.1
"""Spread below which rows count alike."""
DISTURBED = 0.1
"""Share of a machine's CPU time that other programs may take: a fifth of a core of two."""
HEAD = "head"
"""The family of what no block is: embedding, final norm, logits, and the time of an empty program."""

Terms = dict[str, float]


class Case(Value):
    """One stack of equal blocks, measured: prompt of `context` tokens, and one token at that depth."""

    operator: str = Field(description="name, or `head` where the stack is empty")
    block: dict[str, object] = Field(description="the object of an architecture file; empty for `head`")
    width: int = Field(ge=1)
    vocab_size: int = Field(ge=1)
    copies: int = Field(ge=1, description="blocks of the stack")
    context: int = Field(ge=1)
    batch: int = Field(default=1, ge=1)
    dtype: str = "float32"
    weights: str | None = Field(default=None, description="what weights are stored in; null: dtype")
    cache: str | None = Field(default=None, description="what states are stored in; null: dtype")

    @property
    def workload(self) -> Workload:
        """What was asked of the machine."""
        return Workload(
            context=self.context, batch=self.batch, dtype=self.dtype, weights=self.weights, cache=self.cache
        )


class Measured(Value):
    """A case with its times, those of an empty stack taken off, for one block."""

    case: Case
    prefill_s: float = Field(gt=0)
    decode_s: float = Field(gt=0, description="when weights and state come from memory")
    cached_s: float | None = Field(
        default=None, gt=0, description="when the last-level cache holds the stack; null: it is too large"
    )
    prefill_spread: float = Field(ge=0, description="(p90 - p10) / median of the samples")
    decode_spread: float = Field(ge=0)
    working_bytes: float = Field(gt=0, description="most that a program needs beside weights and state")
    other_load: float = Field(default=0.0, ge=0, description="share of the machine that others took")
    drift: dict[Phase, float] = Field(description="factor by which the yardstick was slower than usual")

    @property
    def unstable(self) -> bool:
        """Whether its samples differ too much to be relied on, or other programs were in the way."""
        return max(self.prefill_spread, self.decode_spread) > UNSTABLE or self.other_load > DISTURBED

    def trust(self, quantity: Quantity) -> float:
        """How much the row counts in a fit, against one whose samples agree: the inverse of its spread."""
        spread = {"prefill": self.prefill_spread, "decode": self.decode_spread, "working": 0.0}[quantity]
        return STEADY / max(STEADY, spread)

    def amount(self, quantity: Quantity) -> float:
        """Bytes, or seconds as they would have been without the machine's drift."""
        match quantity:
            case "prefill":
                return self.prefill_s / self.drift["prefill"]
            case "decode":
                return self.decode_s / self.drift["decode"]
            case "working":
                return self.working_bytes


class Family(Value):
    """What a block takes: `sum of coefficients x terms`, times the factor of its width."""

    operator: str
    quantity: Quantity
    dtype: str
    weights: str | None = Field(default=None, description="what weights are stored in; null: dtype")
    cache: str | None = Field(default=None, description="what states are stored in; null: dtype")
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
        found = []
        smallest, largest = min(self.factors), max(self.factors)
        if not smallest <= width <= largest:
            found.append(f"width {width} is outside the measured {smallest} to {largest}")
        if grows:
            found.append(f"context {workload.context} is past the measured {longest}")
        if not min(self.batches) <= workload.batch <= max(self.batches):
            found.append(f"batch {workload.batch} is outside the measured {self.batches}")
        return found


def decode_terms(block: Operator | None, width: int, vocab_size: int, workload: Workload) -> Terms:
    """Work of one decoded token; None is the head."""
    batch = workload.batch
    if block is None:
        return {
            "runs": 1,
            "weight_bytes": table_bytes(width, vocab_size, workload),
            "flops": 2.0 * batch * width * vocab_size,
        }
    return {
        "runs": 1,
        "weight_bytes": weight_traffic_bytes(block, width, batch, workload),
        "state_bytes": workload.bytes_of(state=batch * block.state_traffic(width, workload.context)),
        "flops": batch * block.decode_flops(width, workload.context),
    }


def prefill_terms(block: Operator | None, width: int, vocab_size: int, workload: Workload) -> Terms:
    """Work of a prompt, chunk after chunk; None is the head.

    `context_flops` are those that grow with the tokens seen. `steps` are tokens one after the other, whatever
    the batch; `row_bytes` the intermediate results.
    """
    item, batch = workload.bytes_per_element, workload.batch
    terms: Terms = defaultdict(float)
    for start in range(0, workload.context, workload.prefill_chunk):
        end = min(start + workload.prefill_chunk, workload.context)
        tokens = end - start
        terms["runs"] += 1
        if block is None:
            terms["row_bytes"] += 2 * item * batch * tokens * width
            continue
        flops = batch * chunk_flops(block, width, start, end)
        dense = batch * tokens * block.decode_flops(width, 1)
        terms["weight_bytes"] += weight_traffic_bytes(block, width, batch * tokens, workload)
        terms["dense_flops"] += min(dense, flops)
        terms["context_flops"] += max(0, flops - dense)
        terms["state_bytes"] += 2 * workload.bytes_of(state=batch * block.state_elements(width, end))
        terms["row_bytes"] += item * batch * tokens * (2 * block.activation_elements(width) + 4 * width)
        terms["steps"] += tokens
    if block is None:
        terms["weight_bytes"] = table_bytes(width, vocab_size, workload)
    return dict(terms)


def working_terms(block: Operator | None, width: int, vocab_size: int, workload: Workload) -> Terms:
    """What the last chunk of a prompt, the hungriest, keeps at once; None is the head."""
    item, batch = workload.bytes_per_element, workload.batch
    tokens = min(workload.context, workload.prefill_chunk)
    rows = {"runs": 1.0, "stream_bytes": float(item * batch * tokens * width)}
    if block is None:
        return rows | {"logit_bytes": item * batch * vocab_size}
    end = workload.context
    start = end - ((end - 1) % workload.prefill_chunk + 1)
    flops = batch * chunk_flops(block, width, start, end)
    return rows | {
        "row_bytes": item * batch * tokens * block.activation_elements(width),
        "context_flops": max(0.0, flops - batch * (end - start) * block.decode_flops(width, 1)),
        "state_bytes": workload.bytes_of(state=batch * block.state_elements(width, end)),
    }


_TERMS = {"prefill": prefill_terms, "decode": decode_terms, "working": working_terms}


def terms(
    quantity: Quantity, block: Operator | None, width: int, vocab_size: int, workload: Workload
) -> Terms:
    """The work of a block, or of the head (None), that decides a quantity."""
    return _TERMS[quantity](block, width, vocab_size, workload)


def fit_families(rows: Iterable[Measured]) -> tuple[Family, ...]:
    """A family for each operator, quantity and types of the rows. Raises `InvalidInput` without rows."""
    groups: dict[tuple[str | None, ...], list[Measured]] = defaultdict(list)
    for row in rows:
        groups[row.case.operator, row.case.dtype, row.case.weights, row.case.cache].append(row)
    if not groups:
        raise InvalidInput("no measured rows; expected at least one")
    return tuple(_fit(quantity, found) for found in groups.values() for quantity in QUANTITIES)


def _fit(quantity: Quantity, rows: Sequence[Measured]) -> Family:
    from scipy.optimize import nnls  # slow to import, and few need it

    work = [terms_of(row.case, quantity) for row in rows]
    amounts = np.array([row.amount(quantity) for row in rows])
    trust = np.array([row.trust(quantity) for row in rows])
    names = sorted({name for found in work for name, value in found.items() if value})
    matrix = np.array([[found.get(name, 0.0) for name in names] for found in work]) / amounts[:, None]
    scale = np.abs(matrix).max(0)
    solution, _ = nnls(trust[:, None] * matrix / scale, trust)
    coefficients = {
        name: value for name, value in zip(names, (solution / scale).tolist(), strict=True) if value > 0
    }
    linear = [sum(value * found[name] for name, value in coefficients.items()) for found in work]
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
        coefficients=coefficients,
        factors=factors,
        longest_context=max(row.case.context for row in rows),
        batches=tuple(sorted({row.case.batch for row in rows})),
        misfit=0.0,
        rows=len(rows),
        cached=_cached(rows) if quantity == "decode" else None,
    )
    errors = [
        abs(family.amount(found, row.case.width) / amount - 1)
        for row, found, amount in zip(rows, work, amounts, strict=True)
    ]
    return family.model_copy(update={"misfit": float(median(errors))})


def _cached(rows: Sequence[Measured]) -> float | None:
    """The usual share of a token's time that is left where nothing comes from memory."""
    shares = [row.cached_s / row.decode_s for row in rows if row.cached_s is not None]
    return min(1.0, median(shares)) if shares else None


def terms_of(case: Case, quantity: Quantity) -> Terms:
    """The work of one block of a case."""
    block = None if case.operator == HEAD else read_operator(case.block, case.width, "case")
    return terms(quantity, block, case.width, case.vocab_size, case.workload)
