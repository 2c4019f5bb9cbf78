"""One conformance suite over all operators, and the proof that no operator is left out of it."""

from collections.abc import Iterator

import pytest

from genomes import Operator, operator_table
from proxies.conformance import PROPERTIES, Subject
from support.operator_cases import CASES, FIRST, WIDTH

ALWAYS = ("weights", "stepwise", "state", "flops")
"""Properties checked of every case in the fast tests; what equals decoding step by step is causal."""

COSTLY = ("long", "finite")
"""Properties whose programs take long to compile."""


def cases() -> Iterator[object]:
    for case, spec in CASES.items():
        for name in PROPERTIES:
            fast = name in ALWAYS or (case in FIRST and name not in COSTLY)
            yield pytest.param(spec, name, id=f"{case}-{name}", marks=() if fast else pytest.mark.slow)


def test_every_operator_has_a_case() -> None:
    assert {type(spec) for spec in CASES.values()} == set(operator_table().values())


@pytest.mark.parametrize(("spec", "name"), list(cases()))
def test_conforms(spec: Operator, name: str) -> None:
    assert list(PROPERTIES[name](Subject(spec, WIDTH))) == []
