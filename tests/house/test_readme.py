"""The README's commands and code run: shrunk here, as they stand in the slow tests."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hardware_profiles import load_device, this_machine
from hardware_profiles.cases import PHASES
from hardware_profiles.measuring.grid import GRIDS, cases
from hardware_profiles.runtimes.table import JAX
from hardware_profiles.terms import terms_of
from hardware_profiles.timing.stacks import PROTOCOL
from support import ROOT

BIN = Path(sys.executable).parent
SHRUNK = [
    "--executor=local",
    *(
        f"--set={pair}"
        for pair in (
            "proxy.width=32",
            "proxy.head_dim=8",
            "space.blocks=4",
            "search.population=4",
            "search.generations=2",
            "budget.batch=4",
            "budget.rungs=[5,10]",
            "budget.learning_rates=[0.001,0.003]",
            "budget.evaluation_batches=1",
        )
    ),
]
ELSEWHERE = (
    "make ",
    "pip install",
    "ray start",
    "archsearch doctor",
    "archsearch calibrate",
    "archsearch validate",
)
"""Commands that other tests run, or that change the machine."""


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.strip().splitlines()]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with the examples and the texts, where the example operator is installed."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copytree(ROOT / "docs", folder / "docs")
    site = folder / "site"
    information = site / "running_mean-0.1.0.dist-info"
    information.mkdir(parents=True)
    shutil.copy(ROOT / "examples/own_operator/running_mean.py", site)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: running-mean\nVersion: 0.1.0\n")
    (information / "entry_points.txt").write_text(
        "[archsearch.operators]\nrunning_mean = running_mean:RunningMean\n"
    )
    environment = os.environ | {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "ARCHSEARCH_CACHE_DIR": str(folder / "cache"),
    }
    return folder, environment


def run(line: str, workshop: tuple[Path, dict[str, str]]) -> subprocess.CompletedProcess[str]:
    folder, environment = workshop
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.mark.slow
def test_every_command_runs(workshop: tuple[Path, dict[str, str]]) -> None:
    ran = []
    for line in commands():
        if line.startswith(ELSEWHERE) or "--address" in line:
            continue
        shrunk = shlex.join(SHRUNK) if line.startswith("archsearch run ") else ""
        run(f"{line} {shrunk}", workshop)
        ran.append(line)
    verbs = {line.split()[1] for line in ran}
    assert verbs >= {
        "run",
        "status",
        "report",
        "resume",
        "predict",
        "train",
        "measure",
        "export",
        "devices",
        "spaces",
        "operators",
    }
    for code in blocks("python"):
        script = workshop[0] / "block.py"
        script.write_text(code + "\nimport numpy\nassert numpy.isfinite(logits).all()\n")
        run(f"python {script}", workshop)


def test_files_that_it_names_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_runs_is_joined(workshop: tuple[Path, dict[str, str]]) -> None:
    """The README's own line for a cluster, shrunk."""
    (line,) = [line for line in commands() if "--address auto" in line]
    shrunk = shlex.join(word for word in SHRUNK if not word.startswith("--executor"))
    run(f"{line} {shrunk} --workers 1", workshop)
    status = json.loads(run("archsearch status runs/on-a-cluster --json", workshop).stdout)
    assert status["finished"]
    assert status["failed"] == 0


def made_up_rows() -> Iterator[dict[str, Any]]:
    """Rows of the quick grid, but SwiGLU's: times of a machine that is as fast as its roofline."""
    origin = {
        "runtime": "jax-cpu",
        "version": version("jaxlib"),
        "threads": this_machine().cores,
        "protocol": PROTOCOL,
    }
    for case in cases(GRIDS["quick"], JAX.layouts, JAX):
        if case.operator != "swiglu":
            work = {phase: terms_of(case, phase) for phase in PHASES}
            flops = sum(value for name, value in work["prefill"].items() if name.endswith("flops"))
            moved = sum(value for name, value in work["decode"].items() if name.endswith("bytes"))
            yield {
                "case": case.model_dump(mode="json"),
                "origin": origin,
                "prefill_s": 1e-5 + flops / 5e10,
                "decode_s": 1e-5 + moved / 1e10,
                "prefill_spread": 0.02,
                "decode_spread": 0.02,
                "working_bytes": 1e6,
                "yardstick": {"prefill": 1e-2, "decode": 1e-2},
            }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_machine_is_calibrated_and_its_profile_judged(workshop: tuple[Path, dict[str, str]]) -> None:
    """The README's own lines, as they stand. All rows but those of one operator lie there already, as after
    an interruption: a whole calibration takes ten minutes.
    """
    calibrating, validating = (
        line for line in commands() if line.startswith(("archsearch calibrate", "archsearch validate"))
    )
    rows, profile = (workshop[0] / f"my-laptop{end}" for end in (".rows.jsonl", ".yaml"))
    known = [json.dumps(row) for row in made_up_rows()]
    rows.write_text("\n".join(known) + "\n", encoding="utf-8")
    run(calibrating, workshop)
    lines = rows.read_text("utf-8").splitlines()
    assert lines[: len(known)] == known
    assert {json.loads(line)["case"]["operator"] for line in lines[len(known) :]} == {"swiglu"}
    operators = {case.operator for case in cases(GRIDS["quick"], JAX.layouts, JAX)}
    assert {family.operator for family in load_device(profile).families} == operators
    said = run(validating, workshop).stdout
    assert "lfm2-350m" in said
    judged = load_device(profile).validation
    assert judged is not None and judged.decode_latency_s.models == 1


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_quick_start_as_it_stands(tmp_path: Path) -> None:
    """`make search` on a copy of the repository: 32 searched layouts, 3 references, a front of 4 or more."""
    copy = tmp_path / "archsearch"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in files.stdout.splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    environment["ARCHSEARCH_CACHE_DIR"] = str(tmp_path / "cache")
    done = subprocess.run(
        ["make", "search"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "runs/quickstart/report/index.html" in done.stdout
    status = subprocess.run(
        [copy / ".venv/bin/archsearch", "status", "runs/quickstart", "--json"],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(status.stdout)
    assert found["finished"]
    assert found["evaluated"] + found["failed"] >= 17
    assert found["evaluated"] >= 17
    assert len(found["front"]) >= 4
    assert abs(sum(found["worker_time"].values()) - 1) < 0.01


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_works_elsewhere(tmp_path: Path) -> None:
    """Built, installed into a clean environment, tried from another directory."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("archsearch-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    subprocess.run(install, check=True, capture_output=True)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {
        "ARCHSEARCH_CACHE_DIR": str(tmp_path / "cache"),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(ROOT / "examples/quickstart.yaml", elsewhere)
    operator = [python, "-m", "pip", "install", "-q", "--no-deps", ROOT / "examples/own_operator"]
    subprocess.run(operator, check=True, capture_output=True)
    place = (elsewhere, environment)
    run(f"archsearch run quickstart.yaml {shlex.join(SHRUNK)}", place)
    run("archsearch export runs/quickstart#lfm2 --format flax --out lfm2", place)
    assert "1,170,340,608" in run("archsearch architectures", place).stdout
    run("archsearch doctor", place)
    shutil.copy(ROOT / "examples/own_operator/running_mean.arch.json", elsewhere)
    run("archsearch train running_mean.arch.json --task in-context-recall --steps 10", place)
    code = "import genomes, pathlib; print(pathlib.Path(genomes.__file__).with_name('py.typed').exists())"
    assert run(f'python -c "{code}"', place).stdout.strip() == "True"
