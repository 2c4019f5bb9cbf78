"""Ctrl-C, SIGTERM and SIGKILL while something is measured: nothing runs on, nothing measured is lost."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from archsearch.campaign.status import status
from archsearch.launch import resume
from genomes import Scale, parse_layout
from support import campaigns, interrupting
from support.boards import ONE, board, identity, small

MODEL = parse_layout("attention swiglu(4)").at(Scale(width=64, head_dim=32, vocab_size=256))
MEASURING = "proxies.runtime.runtime"
SECOND_HANGS = """
import json, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
if (here / "answered").exists() and not (here / "quick").exists():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(654)"])
(here / "answered").touch()
figure = {"p10": 1, "median": 1, "p90": 1}
print(json.dumps(dict.fromkeys(("prefill_latency_s", "decode_latency_s", "peak_memory_bytes"), figure)))
"""
"""A device's command whose second measurement never ends, as long as there is no file `quick`."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSEARCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("ARCHSEARCH_DEBUG", raising=False)
        yield


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where processes put what should not stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)]
)
def test_a_measurement_ends_with_who_asked_for_it(tmp_path, temporary, number, group):
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    file = tmp_path / "small.arch.json"
    file.write_text(MODEL.to_json(), encoding="utf-8")
    process = interrupting.start("measure", file, "--context", 64)
    interrupting.wait_until(process, lambda: interrupting.descendants(process, MEASURING))
    code, told = interrupting.stop(process, number, group)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 1)
    assert "Traceback" not in told
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []


def finalists_stopped(folder: Path, data: dict[str, Any], words: str, number: int, group: bool) -> Path:
    """The directory of a run that was stopped in the middle of its second measurement."""
    file, out = campaigns.write(folder / "campaign.yaml", data), folder / "run"
    process = interrupting.start("run", file, "--out", out, "--executor", "local", "--workers", 1)
    interrupting.wait_until(
        process,
        lambda: (
            (out / "journal.jsonl").exists()
            and campaigns.events(out, "measured")
            and interrupting.descendants(process, words)
        ),
    )
    code, told = interrupting.stop(process, number, group)
    assert code == 1
    assert "Traceback" not in told
    assert f"archsearch resume {out} goes on from here" in told
    assert len(campaigns.events(out, "measured")) == 1
    assert campaigns.events(out, "stopped")[-1]["reason"] == "KeyboardInterrupt"
    assert (status(out)["finished"], status(out)["in_flight"]) == (False, 0)
    return out


def only_the_rest_is_measured(out: Path) -> None:
    before = campaigns.events(out, "measured")
    assert resume(out, ONE).finished
    after = campaigns.events(out, "measured")
    assert after[: len(before)] == before
    assert [event["failure"] for event in after] == [None] * 2
    assert len({identity(event) for event in after}) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_finalist_by_command_is_interrupted(tmp_path, temporary, number, group):
    script, data = tmp_path / "second_hangs.py", small(tmp_path)
    script.write_text(SECOND_HANGS, encoding="utf-8")
    device_file = board(tmp_path, "hanging", sys.executable, str(script), "{arch}")
    data["objectives"] = [{"metric": "quality"}, {"metric": "decode_latency_s", "device": device_file}]
    out = finalists_stopped(tmp_path, data, "time.sleep(654)", number, group)
    assert list(temporary.glob("archsearch-*")) == []
    (tmp_path / "quick").touch()
    only_the_rest_is_measured(out)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_finalist_on_this_machine_is_interrupted(tmp_path, temporary, number, group):
    data = small(tmp_path)
    asked = {"device": "this-machine", "context": 32}
    data["objectives"] = [{"metric": "quality"}, {"metric": "decode_latency_s", **asked}]
    data["finalists"]["processes"] = 1
    out = finalists_stopped(tmp_path, data, MEASURING, number, group)
    assert list(temporary.glob("archsearch-*")) == []
    only_the_rest_is_measured(out)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_an_interrupted_calibration_goes_on(tmp_path, temporary, number, group):
    """Twice interrupted: the second call keeps the rows of the first and adds its own."""
    out, rows = tmp_path / "here.yaml", tmp_path / "here.rows.jsonl"
    kept: list[str] = []
    for _ in range(2):
        process = interrupting.start("calibrate", "--name", "here", "--out", out)
        more = len(kept) + 1
        interrupting.wait_until(
            process, lambda more=more: rows.exists() and rows.read_text("utf-8").count("\n") >= more
        )
        code, told = interrupting.stop(process, number, group)
        assert code == 1
        assert "Traceback" not in told
        assert f"what was measured is kept in {rows}; the same command goes on" in told.replace("\n", " ")
        found = rows.read_text("utf-8").splitlines()
        assert found[: len(kept)] == kept
        assert len({json.dumps(json.loads(line)["case"]) for line in found}) == len(found) > len(kept)
        kept = found
    assert not out.exists()
    assert list(temporary.glob("archsearch-*")) == []
