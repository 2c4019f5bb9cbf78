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
_BUILT_IN = {operator.name: operator for operator in BUILT_IN}


@cache
def operator_table() -> dict[str, type[Operator]]:
    """Name -> value class: the built-in operators and those of installed packages.

    A package adds its own with an entry point in the group `archsearch.operators`. Raises `InvalidInput`
    where one cannot be imported, is no complete `Operator` or takes a name that is taken.
    """
    table = dict(_BUILT_IN)
    for point in entry_points(group="archsearch.operators"):
        where = f"entry point {point.name} = {point.value}"
        try:
            operator = point.load()
        except (ImportError, AttributeError) as error:
            raise InvalidInput(f"{where} cannot be loaded: {error}") from error
        if not (isinstance(operator, type) and issubclass(operator, Operator)):
            raise InvalidInput(f"{where} is not a genomes.Operator class")
        missing = [name for name in ("name", "kind", "module") if not hasattr(operator, name)]
        if missing := missing + sorted(operator.__abstractmethods__):
            raise InvalidInput(f"{where}: {operator.__name__} does not define {', '.join(missing)}")
        if operator.name in table:
            raise InvalidInput(f"{where}: the operator name {operator.name!r} is taken")
        table[operator.name] = operator
    return table


def operator_class(name: str) -> type[Operator]:
    """The operator of that name. Raises `InvalidInput` listing the known ones.

    A built-in operator needs no installed package, so those may import `genomes`, and one that is broken
    stops nobody who does not use it.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
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
