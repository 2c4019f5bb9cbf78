"""The rooms: no circles, tests where their module is, no test that leans on another."""

import ast
import runpy
from pathlib import Path

import pytest

from support import ROOT, TESTS

PACKAGES = ("genomes", "hardware_profiles", "proxies", "archsearch")
FILES = sorted(path for package in PACKAGES for path in (TESTS / package).rglob("test_*.py"))

ACROSS = {
    "test_public.py": "the face of a package",
    "test_public_face.py": "the face of a package",
    "test_conformance.py": "one suite over all rows of a table",
    "test_classes.py": "published classes by runtimes",
    "test_places.py": "where finalists can be measured",
    "test_pictures.py": "every chart of a report",
    "test_interrupted.py": "signals, whatever is measured",
    "test_stored.py": "what candidates are stored in, from gene to export",
    "test_sharing.py": "blocks that share, through model and decoding",
}
"""Files that test several modules together, and what."""


def relative(path: Path) -> str:
    return str(path.relative_to(TESTS))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_test_lies_where_its_module_lies(path: Path) -> None:
    if path.name in ACROSS:
        return
    module = ROOT / path.relative_to(TESTS).parent / path.name.removeprefix("test_")
    folder = module.with_suffix("")
    inside = module.parent.name == folder.name  # tests of a package as a whole may lie in its own folder
    assert module.exists() or folder.is_dir() or inside, f"no {module.relative_to(ROOT)}"


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=relative)
def test_no_test_leans_on_another(path: Path) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
    }
    assert not [name for name in imported if name.rpartition(".")[2].startswith("test_")]


def test_no_rooms_import_each_other_in_a_circle() -> None:
    pytest.importorskip("grimp")
    house = runpy.run_path(str(ROOT / "benchmarks" / "house.py"))["survey"](ROOT)
    assert house.circles == ()
