"""The words of the house: docstrings that begin with a thing or a deed, locals that name what they hold."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT

PACKAGES = ("genomes", "hardware_profiles", "proxies", "archsearch")
PLACES = (*PACKAGES, "benchmarks", "examples", "tests/support")
FILES = sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py"))
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

OPENERS = frozenset({"Of", "Those", "That"})
"""First words that point at something the reader has not seen."""
VAGUE = frozenset({"found", "said", "given", "told"})
"""Names that tell where a value came from, not what it is."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring: those of modules, classes, functions, and of single names."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", ()) if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield statement.lineno, text


def bound_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every local, parameter, function and import."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=bound, ctx=ast.Store()):
                yield node.lineno, bound
            case ast.arg(arg=bound):
                yield node.lineno, bound
            case ast.FunctionDef(name=bound):
                yield node.lineno, bound
            case ast.MatchAs(name=str(bound)):
                yield node.lineno, bound


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_docstring_begins_with_what_it_is_about(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    opaque = [
        f"{line}: {text[:60]!r}"
        for line, text in docstrings(tree)
        if text.split(maxsplit=1)[:1] and text.split(maxsplit=1)[0].rstrip(",") in OPENERS
    ]
    assert not opaque


@pytest.mark.parametrize("path", FILES, ids=name)
def test_names_say_what_they_hold(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [f"{line}: {bound}" for line, bound in bound_names(tree) if bound in VAGUE]


def test_a_class_name_means_one_thing() -> None:
    """But for an operator's value and the Flax module of the same name, which are two sides of one thing."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        if path.is_relative_to(ROOT / "proxies" / "operators"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name(path))
    assert {each: where for each, where in places.items() if len(where) > 1} == {}
