"""The table of operators: one explicit list, joined by a user's own through an entry point."""

from functools import cache
from importlib.metadata import entry_points

from genomes.errors import InvalidInput
from genomes.operators.attention import Attention
from genomes.operators.base import Kind, Operator, Setting, Value
from genomes.operators.gated_linear_attention import GatedLinearAttention
from genomes.operators.mamba2 import Mamba2
from genomes.operators.rg_lru import RGLRU
from genomes.operators.short_conv import ShortConv
from genomes.operators.skip import Skip
from genomes.operators.swiglu import SwiGLU

BUILT_IN: tuple[type[Operator], ...] = (
    Attention,
    ShortConv,
    RGLRU,
    GatedLinearAttention,
    Mamba2,
    SwiGLU,
    Skip,
)


@cache
def operator_table() -> dict[str, type[Operator]]:
    """Name -> value class: the built-in operators and those of installed packages.

    A package adds its own with an entry point in the group `archsearch.operators`. Raises `InvalidInput`
    where one is no `Operator` or takes a name that is taken.
    """
    table = {operator.name: operator for operator in BUILT_IN}
    for point in entry_points(group="archsearch.operators"):
        operator = point.load()
        if not (isinstance(operator, type) and issubclass(operator, Operator)):
            raise InvalidInput(f"entry point {point.name} = {point.value} is not a genomes.Operator class")
        if operator.name in table:
            raise InvalidInput(f"entry point {point.name}: the operator name {operator.name!r} is taken")
        table[operator.name] = operator
    return table


def operator_class(name: str) -> type[Operator]:
    """The operator of that name. Raises `InvalidInput` listing the known ones."""
    table = operator_table()
    if name not in table:
        raise InvalidInput(f"unknown operator {name!r}; known: {', '.join(sorted(table))}")
    return table[name]


__all__ = [
    "BUILT_IN",
    "RGLRU",
    "Attention",
    "GatedLinearAttention",
    "Kind",
    "Mamba2",
    "Operator",
    "Setting",
    "ShortConv",
    "Skip",
    "SwiGLU",
    "Value",
    "operator_class",
    "operator_table",
]
