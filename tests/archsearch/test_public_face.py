"""The public face: `from archsearch import run` and the like."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import archsearch


def imports_for_types() -> dict[str, str]:
    """Module of each name that the type checker sees."""
    tree = ast.parse(Path(archsearch.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_table_the_types_and_the_names_agree() -> None:
    assert imports_for_types() == archsearch.PUBLIC
    assert archsearch.__all__ == sorted(archsearch.PUBLIC)
    assert set(archsearch.__all__) <= set(dir(archsearch))


def test_no_public_name_is_a_submodule() -> None:
    """Importing a submodule sets it as an attribute of the package, which would hide the function."""
    submodules = {module.name for module in pkgutil.iter_modules(archsearch.__path__)}
    assert submodules.isdisjoint(archsearch.__all__)


def test_every_public_name_is_the_one_of_its_module() -> None:
    for name, home in archsearch.PUBLIC.items():
        assert getattr(archsearch, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize(
    "first", ["", "archsearch.launch", "archsearch.campaign.status", "archsearch.cli.main"]
)
def test_names_are_there_in_any_order_of_imports(first: str) -> None:
    code = (
        (f"import {first}\n" if first else "")
        + "from archsearch import Campaign, Results, load_campaign\n"
        + "from archsearch import export, report, resume, run, status, train\n"
        + "assert all(map(callable, (report, status, run, train, export, resume, load_campaign)))\n"
        + "import archsearch.reporting.report, archsearch.interchange.export, archsearch.training\n"
        + "import archsearch as a\n"
        + "assert (a.report, a.export, a.train) == (report, export, train)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="'archsearch' has no attribute 'runs'"):
        archsearch.runs  # noqa: B018
