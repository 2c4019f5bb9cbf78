"""The table of operators: one explicit list, joined by a user's own through an entry point."""

from functools import cache
from importlib.metadata import entry_points

from pydantic import ValidationError

from genomes.errors import InvalidInput, describe, unknown
from genomes.operators.attention import Attention
from genomes.operators.base import Group, Kind, Operator, Setting, Share, Value, What
from genomes.operators.difference import Difference
from genomes.operators.gated_deltanet import GatedDeltaNet
from genomes.operators.gated_linear_attention import GatedLinearAttention
from genomes.operators.geglu import GeGLU
from genomes.operators.hyena import Hyena
from genomes.operators.hyena_x import HyenaX
from genomes.operators.hyena_y import HyenaY
from genomes.operators.kda import KDA
from genomes.operators.linear_attention import LinearAttention
from genomes.operators.mamba2 import Mamba2
from genomes.operators.mla import MLA
from genomes.operators.mlp import MLP
from genomes.operators.moe import MoE
from genomes.operators.rg_lru import RGLRU
from genomes.operators.s4d import S4D
from genomes.operators.s5 import S5
from genomes.operators.s6 import S6
from genomes.operators.short_conv import ShortConv
from genomes.operators.skip import Skip
from genomes.operators.swiglu import SwiGLU

BUILT_IN: tuple[type[Operator], ...] = (
    Attention,
    MLA,
    ShortConv,
    Hyena,
    HyenaX,
    HyenaY,
    RGLRU,
    LinearAttention,
    GatedLinearAttention,
    GatedDeltaNet,
    KDA,
    Mamba2,
    S4D,
    S5,
    S6,
    SwiGLU,
    GeGLU,
    MLP,
    MoE,
    Difference,
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
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it does while it is imported, sys.exit included
            cause = f"{type(error).__name__}: {error}"
            raise InvalidInput(f"{where} cannot be loaded: {cause}; mend or uninstall its package") from error
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
        raise unknown("operator", name, sorted(table))
    return table[name]


def read_operator(data: object, width: int, where: str) -> Operator:
    """An operator from its JSON object, defaults filled in for a width.

    Raises `InvalidInput` naming `where`, the field, the value found and what is legal.
    """
    if not isinstance(data, dict) or not isinstance(data.get("op"), str):
        raise InvalidInput(f'{where} = {data!r}; expected an object with "op" and the operator\'s fields')
    fields = dict(data)
    name = fields.pop("op")
    try:
        operator = operator_class(name)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from None
    own = [field for field in operator.model_fields if field != "shares"]
    known = own if operator is Skip else [*own, "shares"]
    try:
        for operand in operator.operands:
            if isinstance(fields.get(operand), dict):
                fields[operand] = read_operator(fields[operand], width, operand)
        return operator.model_validate(operator.complete(fields, width))
    except ValidationError as error:
        raise InvalidInput(f"{where} ({name}): {describe(error, known)}") from None
    except InvalidInput as error:
        raise InvalidInput(f"{where} ({name}): {error}") from None


__all__ = [
    "BUILT_IN",
    "KDA",
    "MLA",
    "MLP",
    "RGLRU",
    "S4D",
    "S5",
    "S6",
    "Attention",
    "Difference",
    "GatedDeltaNet",
    "GatedLinearAttention",
    "GeGLU",
    "Group",
    "Hyena",
    "HyenaX",
    "HyenaY",
    "Kind",
    "LinearAttention",
    "Mamba2",
    "MoE",
    "Operator",
    "Setting",
    "Share",
    "ShortConv",
    "Skip",
    "SwiGLU",
    "Value",
    "What",
    "operator_class",
    "operator_table",
    "read_operator",
]
