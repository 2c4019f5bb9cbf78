"""Flax modules of the operators, found through the `module` of each operator value."""

from functools import cache
from importlib import import_module

from genomes import InvalidInput, Operator
from proxies.operators.base import OperatorModule


@cache
def module_class(operator: type[Operator]) -> type[OperatorModule]:
    """The Flax module of an operator. Raises `InvalidInput` where `module` leads nowhere."""
    package, _, name = operator.module.partition(":")
    field = f"operator {operator.name}: module = {operator.module!r}"
    try:
        module = getattr(import_module(package), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(f"{field}; legal: package.module:Class that can be imported; {error}") from None
    if not (isinstance(module, type) and issubclass(module, OperatorModule)):
        raise InvalidInput(f"{field}; legal: a subclass of OperatorModule")
    return module


__all__ = ["OperatorModule", "module_class"]
