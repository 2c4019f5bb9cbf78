"""What weights and states are stored in where a model is deployed, and the genes that choose it.

A space that leaves a choice has one gene for each, after those of its blocks: first the weights, then the
cache. Its values number the types that the space names, from 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal, get_args

from genomes.errors import InvalidInput
from genomes.genome import Genome

WeightDtype = Literal["float32", "float16", "bfloat16", "int8", "int4"]
"""Type that weights are stored in; `hardware_profiles.Workload.weight_bytes` says which weights."""

CacheDtype = Literal["float32", "float16", "bfloat16", "int8"]
"""Type that the KV cache and recurrent states are stored in."""

WEIGHT_DTYPES: tuple[WeightDtype, ...] = get_args(WeightDtype)
CACHE_DTYPES: tuple[CacheDtype, ...] = get_args(CacheDtype)
LEGAL: dict[str, tuple[str, ...]] = {"weights": WEIGHT_DTYPES, "cache": CACHE_DTYPES}
"""Weights and cache: the types that each may be stored in."""


def own_types(weights: str | None, cache: str | None) -> dict[str, str]:
    """`weights` and `cache`, where they are stored in a type of their own."""
    types = {"weights": weights, "cache": cache}
    return {what: dtype for what, dtype in types.items() if dtype is not None}


def check_stored(what: str, dtype: str) -> None:
    """Raise `InvalidInput` where weights or cache cannot be stored in a type."""
    if dtype not in LEGAL[what]:
        raise InvalidInput(f"{what} = {dtype!r}; legal: {', '.join(LEGAL[what])}")


@dataclass(frozen=True)
class StoredChoices:
    """The types that a space lets its candidates choose from; empty: no choice, as the arithmetic."""

    weights: tuple[WeightDtype, ...] = ()
    cache: tuple[CacheDtype, ...] = ()

    def __post_init__(self) -> None:
        for what, dtypes in self.genes:
            for dtype in dtypes:
                check_stored(what, dtype)
                if dtypes.count(dtype) > 1:
                    raise InvalidInput(f"{what}: {dtype} is given twice")

    @cached_property
    def genes(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What each gene chooses, and from which types."""
        choices: tuple[tuple[str, tuple[str, ...]], ...] = (("weights", self.weights), ("cache", self.cache))
        return tuple((what, dtypes) for what, dtypes in choices if dtypes)

    def combinations(self) -> list[dict[str, Any]]:
        """What candidates may be stored in, every combination once; none where there is no choice."""
        names, choices = [what for what, _ in self.genes], [dtypes for _, dtypes in self.genes]
        return [dict(zip(names, dtypes, strict=True)) for dtypes in product(*choices)] if names else []

    def legal(self, gene: int) -> Sequence[int]:
        """The legal values of a gene."""
        return range(1, len(self.genes[gene][1]) + 1)

    def read(self, genes: Genome) -> dict[str, Any]:
        """The types that legal genes name."""
        return {what: dtypes[value - 1] for (what, dtypes), value in zip(self.genes, genes, strict=True)}

    def write(self, stored: Mapping[str, str]) -> Genome:
        """The genes that name types. Raises `InvalidInput` for one that is no choice."""
        choices = dict(self.genes)
        for what in LEGAL:
            dtype, legal = stored.get(what), choices.get(what, ())
            if dtype not in (legal or (None,)):
                raise InvalidInput(f"{what} = {dtype}; legal: {', '.join(legal) or 'none, it has no choice'}")
        return tuple(dtypes.index(stored[what]) + 1 for what, dtypes in self.genes)
