"""Finalists: the best candidates measured by real commands and processes; killed, resumed, refused, shown."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archsearch.campaign.directory import load_run
from archsearch.campaign.events import FinalistsChosen
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.forecast import seconds_left
from archsearch.campaign.journal import read_journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Summary
from archsearch.campaign.standing import Standing
from archsearch.campaign.status import status
from archsearch.campaign.summary import ranked
from archsearch.launch import resume, run
from genomes import InvalidInput, load_architecture
from hardware_profiles.runtimes.llama_cpp.classes import gguf_class
from support import GOLDEN, campaigns
from support.boards import ONE, board, identity, llama_cpp_profile, small

PATIENCE_S = 400.0
WITNESS = """
import json, pathlib, psutil
here = pathlib.Path(__file__).parent
events = [json.loads(line) for line in (here / "run" / "journal.jsonl").read_text().splitlines()]
workers = {int(event["worker"].rpartition(":")[2]) for event in events if event["event"] == "job"}
alive = [process.info for process in psutil.process_iter(["pid", "name", "status"])]
alive = [info for info in alive if info["pid"] in workers and info["status"] != psutil.STATUS_ZOMBIE]
with (here / "seen.jsonl").open("a") as seen:
    seen.write(json.dumps({"workers": len(workers), "alive": alive}) + chr(10))
figure = {"p10": 1, "median": 1, "p90": 1}
names = ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes")
print(json.dumps({name: figure for name in names}))
"""
"""Measures nothing, but sees which workers of the run are alive meanwhile."""


@pytest.fixture(scope="module")
def folder(boards_folder) -> Path:
    return boards_folder


@pytest.fixture(scope="module")
def campaign(boards_campaign) -> Campaign:
    return boards_campaign


@pytest.fixture(scope="module")
def base(measured_run) -> Path:
    return measured_run


# A whole run.


def test_the_best_are_measured_once_on_each_device(base, folder):
    loaded = load_run(base)
    order = [record.fingerprint for record in ranked(loaded.standing)]
    assert [f[:8] for f in order[: len(loaded.results().front)]] == list(loaded.results().front)
    (chosen,) = campaigns.events(base, "finalists")
    assert chosen["candidates"] == order[:2]
    assert chosen["measurements"] == 4
    events = campaigns.events(base, "measured")
    assert [event["candidate"] for event in events] == [order[0], order[0], order[1], order[1]]
    assert len({identity(event) for event in events}) == 4
    decode, prefill, peak, _ = (o.name for o in loaded.pricing.objectives[1:])
    assert [event["objectives"] for event in events] == 2 * [[decode, peak], [prefill]]
    assert {event["way"] for event in events} == {"command"}
    assert set((folder / "calls.txt").read_text("utf-8").splitlines()) == {"64 1 float32 int8 int8"}
    assert events[-1]["at"] <= campaigns.events(base, "finished")[0]["at"]
    assert status(base)["measured"] == {"done": 4, "failed": 2, "in_all": 4}
    assert status(base)["finished"]


def test_what_was_measured_and_what_failed_belongs_to_the_candidate(base):
    results = load_run(base).results()
    decode, prefill, peak, pi = (o.name for o in results.objectives[1:])
    for identifier in results.finalists:
        candidate = results.candidate(identifier)
        # what is no truth value is left out
        told = Summary(3.0, 2.7, 4.5, repeat_spread=0.07, stable=False, disturbed=None)
        assert candidate.measured == {decode: told, peak: told}
        assert candidate.measured_failures.keys() == {prefill}
        assert "prefill_latency_s = 1; expected" in candidate.measured_failures[prefill]
        kept = json.loads((base / "candidates" / candidate.fingerprint / "result.json").read_text("utf-8"))
        assert kept["measured"][decode]["median"] == 3.0
        assert kept["objectives"] == candidate.objectives, "what is predicted stays"
    others = [c for c in results.candidates if c.id not in results.finalists]
    assert others
    assert not any(c.measured or c.measured_failures for c in others)
    assert results.unmeasured == {pi: "raspberry-pi-5 is not this machine, and no measure_command is given"}


def test_measuring_is_no_time_of_the_workers(base):
    ledger = load_run(base).ledger
    assert ledger.wall_seconds() - ledger.worker_seconds() >= sum(ledger.measurement_seconds) - 0.05
    assert sum(ledger.measurement_seconds) > 0.6


# Killed and resumed.


def once_each(path: Path, base: Path) -> None:
    found = campaigns.events(path, "measured")
    assert [identity(event) for event in found] == [identity(e) for e in campaigns.events(base, "measured")]
    assert len(campaigns.events(path, "finalists")) == 1


@pytest.mark.slow
def test_a_run_killed_between_two_measurements_measures_the_rest(base, folder, tmp_path):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "archsearch.cli",
        "run",
        str(folder / "campaign.yaml"),
        "--out",
        str(out),
    ]
    killed_after_one(command, out)
    before = campaigns.events(out, "measured")
    assert 0 < len(before) < 4
    assert not status(out)["finished"]
    calls = (folder / "calls.txt").read_text("utf-8").count("\n")
    results = resume(out, ONE)
    assert results.finished
    once_each(out, base)
    assert campaigns.events(out, "measured")[: len(before)] == before
    called = (folder / "calls.txt").read_text("utf-8").count("\n") - calls
    left = [e for e in campaigns.events(out, "measured")[len(before) :] if e["failure"] is None]
    assert called == len(left)
    assert campaigns.outcome(out) == campaigns.outcome(base)
    assert [c.measured for c in results.candidates] == [
        c.measured for c in load_run(base).results().candidates
    ]


def killed_after_one(command: list[str], out: Path) -> None:
    """Start a run without Ray and kill it when its journal holds a measurement."""
    process = subprocess.Popen(
        [*command, "--executor", "local", "--workers", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    journal, give_up = out / "journal.jsonl", time.monotonic() + PATIENCE_S
    while not journal.exists() or b'"event":"measured"' not in journal.read_bytes():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < give_up
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_lost_measurement_is_made_again_and_no_other(base, copy, folder):
    journal = copy / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    numbers = [i for i, line in enumerate(lines) if b'"event":"measured"' in line]
    lines[numbers[0]] = b'{"event":"meas\n'
    journal.write_bytes(b"".join(lines[:-1]))  # nor has it finished
    calls = (folder / "calls.txt").read_text("utf-8").count("\n")
    resume(copy, ONE, say=lambda _: None)
    assert (folder / "calls.txt").read_text("utf-8").count("\n") == calls + 1
    found = [identity(event) for event in campaigns.events(copy, "measured")]
    assert sorted(found) == sorted(identity(event) for event in campaigns.events(base, "measured"))
    assert campaigns.outcome(copy) == campaigns.outcome(base)


@pytest.mark.slow
def test_this_machine_measures_what_it_priced(folder, tmp_path):
    data = small(folder)
    asked = {"device": "this-machine", "context": 32}
    data["objectives"] = [{"metric": "quality"}] + [
        {"metric": metric, **asked}
        for metric in ("decode_latency_s", "prefill_latency_s", "peak_memory_bytes")
    ]
    data["finalists"]["processes"] = 1
    data["target"] |= {"width": 256, "head_dim": 64, "vocab_size": 4096}
    file, out = campaigns.write(tmp_path / "here.yaml", data), tmp_path / "run"
    killed_after_one([sys.executable, "-m", "archsearch.cli", "run", str(file), "--out", str(out)], out)
    before = campaigns.events(out, "measured")
    assert len(before) == 1
    results = resume(out, ONE)
    events = campaigns.events(out, "measured")
    assert events[0] == before[0]
    assert [(event["way"], event["failure"]) for event in events] == [("here", None)] * 2
    for event in events:
        assert (
            event["figures"]["decode_latency_s"]["median"] < event["figures"]["prefill_latency_s"]["median"]
        )
        assert isinstance(event["stable"], bool)
    for identifier in results.finalists:
        candidate = results.candidate(identifier)
        assert candidate.measured.keys() == {o.name for o in results.objectives[1:]}
        for o in results.objectives[1:3]:
            assert 0.1 < candidate.objectives[o.name] / candidate.measured[o.name].median < 10


def seen_by_a_witness(folder: Path, *arguments: str) -> None:
    """Run a campaign in a process of its own; no worker may be alive while a finalist is measured."""
    script, data = folder / "witness.py", small(folder)
    script.write_text(WITNESS, encoding="utf-8")
    device_file = board(folder, "witness", sys.executable, str(script), "{arch}")
    data["objectives"] = [{"metric": "quality"}, {"metric": "decode_latency_s", "device": device_file}]
    file, out = campaigns.write(folder / "seen.yaml", data), folder / "run"
    command = [
        sys.executable,
        "-m",
        "archsearch.cli",
        "run",
        str(file),
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [event["failure"] for event in campaigns.events(out, "measured")] == [None, None]
    seen = [json.loads(line) for line in (folder / "seen.jsonl").read_text("utf-8").splitlines()]
    assert len(seen) == 2
    assert all(look["workers"] >= 1 and look["alive"] == [] for look in seen), seen


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "ray"])
def test_no_worker_is_left_while_finalists_are_measured(tmp_path, executor):
    seen_by_a_witness(tmp_path, "--executor", executor)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_no_worker_of_a_cluster_is_left_while_finalists_are_measured(tmp_path):
    seen_by_a_witness(tmp_path, "--address", "auto")


@pytest.mark.slow
def test_a_profile_of_llama_cpp_is_measured_by_llama_cpp(tmp_path):
    """All that was trained: measured where a class of llama.cpp holds it, else a failure that says why."""
    data = small(tmp_path)
    asked = {"device": llama_cpp_profile(tmp_path), "context": 40, "weights": "int8", "cache": "float16"}
    data["objectives"] = [{"metric": "quality"}] + [
        {"metric": metric, **asked} for metric in ("decode_latency_s", "peak_memory_bytes")
    ]
    data["space"] |= {"blocks": 4}
    data["target"] |= {"blocks": 4, "width": 256, "head_dim": 64}
    data["finalists"] = {"count": 100, "processes": 1}
    out = tmp_path / "run"
    results = run(campaigns.load(tmp_path, data), out, ONE)
    names, outcomes = {o.name for o in results.objectives[1:]}, set()
    for identifier in results.finalists:
        candidate = results.candidate(identifier)
        target = out / "candidates" / candidate.fingerprint / "target.arch.json"
        try:
            gguf_class(load_architecture(target))
        except InvalidInput as error:
            assert candidate.measured == {} and candidate.measured_failures.keys() == names
            assert set(candidate.measured_failures.values()) == {str(error)}
            outcomes.add("failed")
        else:
            assert candidate.measured.keys() == names and candidate.measured_failures == {}
            outcomes.add("measured")
    assert outcomes == {"measured", "failed"}
    assert {(event["way"], event["cache"]) for event in campaigns.events(out, "measured")} == {
        ("here", "float16")
    }


# The record, and what is made of it.


def test_a_journal_with_measurements_reads():
    ledger = Ledger(load_campaign(GOLDEN / "campaign-v1-finalists.yaml"))
    events, damages = read_journal(GOLDEN / "journal-v1-finalists.jsonl")
    assert not damages
    for event in events:
        ledger.apply(event)
    assert ledger.finished
    assert ledger.finalists is not None
    assert ledger.finalists.measurements == len(ledger.measurement_seconds) == 4
    best, second = ledger.finalists.candidates
    decode = "decode_latency_s[answers.yaml,64,1,float32,weights=int8,cache=int8]"
    assert ledger.measured[best][decode] == Summary(3.0, 2.7, 4.5, 0.07, False, None)
    assert ledger.measured_failures[second].keys() == {"prefill_latency_s[lies.yaml,1024,1,float32]"}
    assert ledger.measurements_failed == 2
    assert list(ledger.finalists.unmeasured) == ["peak_memory_bytes[raspberry-pi-5,1024,1,float32]"]


def test_the_time_left_is_that_of_the_measurements_left(campaign):
    ledger = Ledger(campaign)
    standing = Standing(ledger, (Objective("quality", "max"),))
    ledger.jobs_by_rung[0].add(2.0)
    assert seconds_left(standing, 1) == pytest.approx((3 + 3 - 1) * 2.0 + 3 * 1.0)
    ledger.finalists = FinalistsChosen(candidates=("a", "b"), measurements=4, unmeasured={})
    assert seconds_left(standing, 2) is None
    ledger.measurement_seconds += [3.0, 5.0]
    assert seconds_left(standing, 2) == pytest.approx(2 * 4.0)
    ledger.finalists = FinalistsChosen(candidates=(), measurements=0, unmeasured={})
    done = Ledger(campaign, finalists=ledger.finalists)
    assert seconds_left(Standing(done, standing.objectives), 2) == 0.0
