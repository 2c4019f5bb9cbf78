"""The public face of the package: prices at once, verbs that measure when they are asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hardware_profiles


def fresh(code: str) -> str:
    """What code prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_name_is_there() -> None:
    from hardware_profiles.measuring.measure import measure

    assert all(hasattr(hardware_profiles, name) for name in hardware_profiles.__all__)
    assert hardware_profiles.measure is measure
    with pytest.raises(AttributeError, match="no attribute 'measured'"):
        _ = hardware_profiles.measured


def test_prices_import_nothing_that_measures() -> None:
    rooms = tuple(f"hardware_profiles.{room}" for room in ("measuring", "runtimes", "timing"))
    loaded = f"[name for name in sys.modules if name.startswith({rooms})]"
    assert fresh(f"import sys, hardware_profiles; print({loaded})") == "[]"
    code = "import sys; from hardware_profiles import {name}; print({name}.__name__, 'jax' in sys.modules)"
    for name in ("calibrate", "measure", "predict", "validate"):
        assert fresh(code.format(name=name)) == f"{name} False"


def test_the_table_of_verbs_is_what_type_checkers_see() -> None:
    tree = ast.parse(Path(str(hardware_profiles.__file__)).read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == hardware_profiles._MEASURING
