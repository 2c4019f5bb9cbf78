"""The public face: every name leads somewhere, is declared to type checkers, and costs no jax until used."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import proxies


def declared() -> dict[str, str]:
    """Name and module of what type checkers see."""
    tree = ast.parse(Path(proxies.__file__).read_text(encoding="utf-8"))
    blocks = (node for node in tree.body if isinstance(node, ast.If))
    imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_type_checkers_see_what_is_there() -> None:
    assert declared() == proxies.PUBLIC
    assert sorted(proxies.__all__) == sorted(proxies.PUBLIC)
    assert set(proxies.PUBLIC) <= set(dir(proxies))


@pytest.mark.parametrize("name", sorted(proxies.PUBLIC))
def test_a_name_is_that_of_its_module(name: str) -> None:
    assert getattr(proxies, name) is getattr(import_module(proxies.PUBLIC[name]), name)


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="'proxies' has no attribute 'nothing'"):
        proxies.nothing  # noqa: B018


@pytest.mark.parametrize("statement", ["import proxies", "from proxies import TrialConfig, TrialResult"])
def test_what_a_trial_is_asked_and_gave_needs_no_jax(statement: str) -> None:
    code = f"import sys; {statement}; assert not {{'jax', 'flax', 'optax', 'orbax'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
