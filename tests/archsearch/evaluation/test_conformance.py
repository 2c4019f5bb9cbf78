"""The conformance suite finds what is broken, and says it; broken plug-ins are refused before training."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archsearch.evaluation.conformance import PROPERTIES as NAMES
from archsearch.evaluation.conformance import check as check_in_a_process
from archsearch.evaluation.conformance import examples
from genomes import InvalidInput, SwiGLU, operator_table
from proxies.conformance import PROPERTIES, check
from support import TESTS
from support import broken_operators as broken

BROKEN = {
    "peeking": (broken.Peeking(), "causal", "output 0 depends on the later input 1"),
    "blind": (broken.Blind(), "causal", "does not depend on the input before it"),
    "larger": (broken.Larger(), "weights", "weight out: the value declares (8, 8), the module has (8, 16)"),
    "unequal": (broken.Unequal(), "reference", "output differs by up to"),
    "averaging": (broken.Averaging(), "lengths", "output of 51 tokens differs by up to"),
    "forgetful": (broken.Forgetful(), "stepwise", "output step by step differs by up to"),
    "growing": (broken.Growing(), "stepwise", "became"),
    "stateless": (broken.Stateless(), "state", "the value declares {'last': (2, 1, 8)}"),
    "cheap": (broken.Cheap(), "flops", "FLOPs for a prompt of"),
    "overflowing": (broken.Overflowing(), "finite", "not finite"),
    "failing": (broken.Failing(), "causal", "ZeroDivisionError: no luck"),
}


@pytest.mark.parametrize(("spec", "name", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_found(spec, name: str, said: str) -> None:
    problem = check(spec, 8, {name: PROPERTIES[name]})[name]
    assert problem is not None and said in problem


def test_a_right_one_passes_everything() -> None:
    assert set(check(broken.Shift(), 8).values()) == {None}


def test_the_names_of_the_properties_are_the_same_everywhere() -> None:
    assert tuple(PROPERTIES) == NAMES
    assert {name for _, name, _ in BROKEN.values()} == set(NAMES) - {"long"}  # long is finite at more tokens


def test_examples_are_of_every_operator_and_of_files(tmp_path: Path) -> None:
    assert {type(spec) for spec in examples().values()} == set(operator_table().values())
    file = tmp_path / "two.arch.json"
    two = [{"op": "swiglu", "hidden": 8}, {"op": "attention", "heads": 2}, {"op": "swiglu", "hidden": 8}]
    file.write_text(
        json.dumps(
            {"format": "archsearch/architecture", "version": 1, "width": 8, "vocab_size": 8, "blocks": two}
        )
    )
    assert list(examples(str(file))) == ["blocks[0] (swiglu)", "blocks[1] (attention)"]
    with pytest.raises(InvalidInput, match="unknown operator 'warp'"):
        examples("warp")


def test_a_process_that_ends_early_says_why() -> None:
    with pytest.raises(RuntimeError, match="ended early: KeyError: 'no such property'"):
        list(check_in_a_process([SwiGLU(hidden=8)], 8, ["no such property"]))


@pytest.fixture(scope="module")
def broken_package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which a package with a broken operator is installed."""
    site = tmp_path_factory.mktemp("site")
    information = site / "broken-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    points = "".join(f"{name.lower()} = support.broken_operators:{name}\n" for name in ("Shift", "Peeking"))
    (information / "entry_points.txt").write_text(f"[archsearch.operators]\n{points}")
    return os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{TESTS}", "COLUMNS": "150"}


def archsearch(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "archsearch.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_table_tells_what_an_operator_breaks(broken_package: dict[str, str]) -> None:
    done = archsearch(broken_package, "operators", "peeking", "--check")
    assert done.returncode == 1
    assert "peeking: causal: output 0 depends on the later input 1" in done.stdout
    assert "│ peeking  │ ok      │ no     │" in done.stdout
    done = archsearch(broken_package, "operators", "shift", "--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("verb", ["run", pytest.param("train", marks=pytest.mark.slow)])
def test_a_plug_in_that_sees_the_future_trains_nothing(
    broken_package: dict[str, str], tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "out"
    if verb == "train":
        file = tmp_path / "peeking.arch.json"
        blocks = [{"op": "swiglu", "hidden": 8}, {"op": "peeking"}]
        head = {"format": "archsearch/architecture", "version": 1, "width": 8, "vocab_size": 32}
        file.write_text(json.dumps(head | {"blocks": blocks}))
        where, more = "blocks[1] (peeking)", ["--task", "in-context-recall", "--steps", 10]
    else:
        file = TESTS.parent / "examples/quickstart.yaml"
        where, more = (
            "class own (peeking)",
            ["--set", "space.classes={own: [peeking]}", "--executor", "local"],
        )
    done = archsearch(broken_package, verb, file, *more, "--out", out)
    assert done.returncode == 2
    assert f"{where}: causal: output 0 depends on the later input 1" in done.stderr
    assert "archsearch operators peeking --check" in done.stderr
    assert not out.exists()
