"""The house: light rooms, downward imports, documented files of a modest size, nothing private, plug-ins."""

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support import ROOT

PACKAGES = ("genomes", "hardware_profiles", "proxies", "archsearch")
HEAVY = ("jax", "jaxlib", "flax", "optax", "orbax", "ray", "deap")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

LONGEST = 400


def python(code: str, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, with one more folder to import from."""
    setup = "import sys\n" + (f"sys.path.insert(0, {str(path)!r})\n" if path else "")
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", setup + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def succeeds(code: str, *, path: Path | None = None) -> None:
    done = python(code, path=path)
    assert done.returncode == 0, done.stderr


# Layers


@pytest.mark.parametrize("room", ["genomes", "hardware_profiles"])
def test_light_rooms_import_nothing_heavy(room: str) -> None:
    succeeds(f"""
        import importlib, pkgutil
        import {room}
        for module in pkgutil.walk_packages({room}.__path__, "{room}."):
            importlib.import_module(module.name)
        found = sorted(set({HEAVY!r}) & set(sys.modules))
        assert not found, found
        """)


def test_a_layout_is_priced_without_jax() -> None:
    succeeds(f"""
        import numpy as np
        from genomes import Scale, accounting, preset, random_genome
        from hardware_profiles import Workload, device, predict
        space = preset("hybrid")
        layout = space.decode(random_genome(space, np.random.default_rng(0)))
        architecture = layout.at(Scale(width=256, head_dim=32, context=1024))
        assert accounting.parameters(architecture) > 0
        assert predict(architecture, device("raspberry-pi-5"), Workload())
        found = sorted(set({HEAVY!r}) & set(sys.modules))
        assert not found, found
        """)


def test_imports_go_downwards() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "imports go downwards KEPT" in done.stdout


# Files


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_documented_and_of_a_modest_size(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert len(text.splitlines()) <= LONGEST


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed_and_have_modules(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
    assert ROOT / package / "__init__.py" in MODULES


def repository_files() -> list[str]:
    """Files of the repository: tracked, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


# Put together here, so that this file does not contain them.
PRIVATE = re.compile(
    "|".join(
        (
            "pypi" + r"\.org/simple",
            "files" + r"\.pythonhosted",
            "(?:extra-)?index" + "[-_]url",
            "trusted" + "-host",
            r"(?<![\w.$}-])/(?:root|work|workspace)/",
            r"https?://(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d",
        )
    ),
    re.IGNORECASE,
)


def test_no_file_tells_of_this_machine_or_of_a_registry() -> None:
    files = repository_files()
    assert "pyproject.toml" in files
    found = []
    for name in files:
        text = (ROOT / name).read_bytes().decode("utf-8", errors="replace")
        found += [f"{name}: {match[0]}" for match in PRIVATE.finditer(text)]
    assert not found


def test_no_lock_file() -> None:
    assert not [name for name in repository_files() if Path(name).name == "uv" + ".lock"]


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("https://pypi" + ".org/simple/numpy", True),
        ("index" + "-url = https://mirror", True),
        ("cd " + "/ro" + "ot/project", True),
        ("'/wo" + "rk/main'", True),
        ("http://10" + ".0.0.1/simple", True),
        ("https://pypi.org/project/numpy", False),
        ("docs/wo" + "rk/notes, ~/wo" + "rk/x", False),
        ("http://127.0.0.1:8000", False),
    ],
)
def test_the_pattern_knows_what_is_private(text: str, private: bool) -> None:
    assert bool(PRIVATE.search(text.replace("~/", "home/"))) == private


# Plug-ins


OPERATOR = '''
"""A user's operator."""
from genomes import Operator, Scale, SearchSpace

class Doubled(Operator):
    name = "doubled"
    kind = "memoryless"
    module = "mine_flax:Doubled"
    hidden: int

    @classmethod
    def at(cls, scale: Scale, settings):
        return cls(hidden=2 * scale.width)

    def weights(self, width):
        return {"up": (width, self.hidden), "down": (self.hidden, width)}

    def decode_flops(self, width, context):
        return self.matrix_flops(width, "up", "down")

    def activation_elements(self, width):
        return self.hidden

class Taken(Doubled):
    name = "attention"

class Unfinished(Operator):
    kind = "memoryless"

number = 3
'''


@pytest.fixture
def plugin(tmp_path: Path):
    """Lays out an installed distribution with one entry point; returns where it lies."""

    def install(target: str) -> Path:
        (tmp_path / "mine.py").write_text(OPERATOR, encoding="utf-8")
        info = tmp_path / "mine-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[archsearch.operators]\nmine = {target}\n", encoding="utf-8")
        return tmp_path

    return install


@pytest.mark.parametrize("first", ["genomes", "mine"])
def test_a_users_operator_joins_the_table(plugin, first: str) -> None:
    """Whichever is imported first."""
    succeeds(
        f"""
        import {first}
        from genomes import Scale, accounting, operator_table, parse_layout, read_architecture
        assert list(operator_table())[-1] == "doubled"
        architecture = parse_layout("doubled swiglu(4) doubled").at(Scale(width=64, head_dim=16))
        assert [block.name for block in architecture.blocks] == ["doubled", "swiglu", "doubled"]
        assert read_architecture(architecture.to_dict()) == architecture
        assert architecture.to_dict()["blocks"][0] == {{"op": "doubled", "hidden": 128}}
        assert accounting.account(architecture, 1)[0].parameters == 64 + 2 * 64 * 128
        assert "mine_flax" not in sys.modules
        """,
        path=plugin("mine:Doubled"),
    )


def test_without_a_plug_in_the_table_is_the_built_in_one() -> None:
    succeeds("""
        from genomes.operators import BUILT_IN, operator_table
        assert list(operator_table().values()) == list(BUILT_IN)
        assert list(operator_table()) == [operator.name for operator in BUILT_IN]
        """)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("mine:Taken", "the operator name 'attention' is taken"),
        ("mine:number", "is not a genomes.Operator class"),
        ("mine", "is not a genomes.Operator class"),
        ("mine:Absent", "cannot be loaded: .*Absent"),
        ("absent:Doubled", "cannot be loaded: ModuleNotFoundError: No module named 'absent'"),
        ("mine:Unfinished", "Unfinished does not define name, module, activation_elements, at, decode_flops"),
    ],
)
def test_a_plug_in_that_cannot_join_is_refused(plugin, target: str, reason: str) -> None:
    """Where it is asked for, in a line that names it; built-in operators go on working."""
    done = python(
        """
        from genomes import InvalidInput, operator_table, parse_layout
        assert parse_layout("attention swiglu(4)")
        for call in operator_table, lambda: parse_layout("doubled"):
            try:
                call()
            except InvalidInput as error:
                print(error)
        """,
        path=plugin(target),
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.match(f"entry point mine = {target}.*{reason}", first)
    assert second == f"layout block 0: {first}"
