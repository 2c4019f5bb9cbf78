"""Flax modules of the operators, found through the `module` of each operator value."""

from functools import cache
from importlib import import_module

from genomes import InvalidInput, Operator
from proxies.operators.base import OperatorModule


@cache
def module_class(operator: type[Operator]) -> type[OperatorModule]:
    """The Flax module of an operator. Raises `InvalidInput` where `module` leads nowhere."""
    package, _, name = operator.module.partition(":")
    try:
        found = getattr(import_module(package), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(f"operator {operator.name}: module {operator.module!r}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, OperatorModule)):
        raise InvalidInput(f"operator {operator.name}: {operator.module} is not an OperatorModule")
    return found


__all__ = ["OperatorModule", "module_class"]
