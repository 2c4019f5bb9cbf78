"""What is imported when: help and the bare package need nothing heavy, an executor's driver no jax."""

import subprocess
import sys

import pytest

HEAVY = ("numpy", "scipy", "pydantic", "yaml", "jinja2", "matplotlib", "moocore", "deap")
ROOMS = ("genomes", "hardware_profiles", "proxies")
HEAVIER = ("jax", "jaxlib", "flax", "optax", "orbax", "ray")


def imported(code: str) -> set[str]:
    """Top-level names of the modules that a fresh interpreter has imported after running the code."""
    show = "\nimport sys; print('modules:', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("modules:")[2].split())


def verb(*arguments: str) -> str:
    """Code that runs a verb of the command line and goes on after it."""
    return (
        f"import sys; sys.argv = ['archsearch', *{arguments!r}]\n"
        "from archsearch.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0, end.code"
    )


@pytest.mark.parametrize(
    "code",
    ["import archsearch", "import archsearch.cli.main", verb("--help")],
    ids=["package", "command line", "help"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    names = imported(code)
    assert "archsearch" in names
    assert names & {*HEAVY, *HEAVIER, *ROOMS} == set()


@pytest.mark.parametrize("name", ["run", "train", "predict", "export"])
def test_the_help_of_a_verb_imports_nothing_heavy_of_ours(name: str) -> None:
    """Some versions of typer read the options by pydantic."""
    assert imported(verb(name, "--help")) & {*HEAVY, *HEAVIER, *ROOMS} <= {"pydantic"}


@pytest.mark.parametrize(
    "code",
    [
        verb("devices"),
        verb("spaces"),
        verb("architectures"),
        verb("predict", "lfm2-350m", "--device", "raspberry-pi-5"),
        "import archsearch.reporting.report",
        "import archsearch.launch",
    ],
    ids=["devices", "spaces", "architectures", "predict", "report", "driver"],
)
def test_what_only_prices_searches_or_reports_imports_no_jax(code: str) -> None:
    assert imported(code) & set(HEAVIER) == set()
