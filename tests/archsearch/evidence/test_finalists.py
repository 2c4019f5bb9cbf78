"""Finalists: the best candidates measured by real commands and processes; killed, resumed, refused, shown."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from archsearch.campaign.directory import RunDirectory, load_run
from archsearch.campaign.events import FinalistsChosen
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.journal import read_journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.results import Summary
from archsearch.campaign.status import status
from archsearch.campaign.summary import ranked
from archsearch.cli.progress import seconds_left
from archsearch.evidence.finalists import places
from archsearch.launch import resume, run
from genomes import InvalidInput, load_architecture
from hardware_profiles import (
    Device,
    Provenance,
    Workload,
    device,
    load_device,
    this_machine,
)
from hardware_profiles.runtimes import table as runtimes
from hardware_profiles.runtimes.llama_cpp.classes import gguf_class
from hardware_profiles.runtimes.table import LLAMA_CPP
from support import GOLDEN, campaigns, llama_cpp_cases
from support.boards import ONE, board, identity, small

PATIENCE_S = 150.0
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
    order = [record.fingerprint for record in ranked(loaded.ledger, loaded.pricing.objectives)]
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
    device_file = board(folder, "witness", sys.executable, str(script))
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


def llama_cpp_profile(folder: Path) -> str:
    """The path of a device file as llama.cpp's calibration of this machine would write it."""
    made = llama_cpp_cases.device()
    assert made.provenance is not None
    here = made.provenance.model_copy(update={"threads": this_machine().cores})
    path = folder / "llama-cpp.yaml"
    path.write_text(made.model_copy(update={"provenance": here}).to_yaml(), encoding="utf-8")
    return str(path)


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


# What can be measured, and what is refused before the run.


def on(folder: Path, *sections: dict[str, Any], count: object = 1) -> Campaign:
    data = small(folder) | {"finalists": {"count": count}}
    data["objectives"] = [{"metric": "quality"}, *sections]
    return campaigns.load(folder, data)


def laptop(**changes: Any) -> Device:
    """A measured profile of this machine."""
    machine = this_machine()
    here = {"processor": machine.processor, "threads": machine.cores, "date": date.today()}
    provenance = Provenance(**({"runtime": "jax-cpu", "runtime_version": "0.10"} | here | changes))
    return device("raspberry-pi-5").model_copy(update={"calibration": "measured", "provenance": provenance})


def places_of(campaign: Campaign, found: Device) -> list[tuple[object, str]]:
    return [(p.way, p.why_not) for p in places(Pricing.of(campaign, {"laptop": found}))]


def test_a_device_is_this_machine_where_its_profile_says_so(tmp_path):
    campaign = on(tmp_path, {"metric": "decode_latency_s", "device": "laptop"})
    assert places_of(campaign, laptop()) == [("here", "")]
    for change, said in (
        ({"processor": "Z80"}, "laptop was measured on Z80 with"),
        ({"threads": 999}, "with 999 threads, and this machine is"),
        ({"runtime": "jax-gpu"}, "laptop was measured with jax-gpu, not jax-cpu"),
        ({"runtime": "llama.cpp-gpu"}, "laptop was measured with llama.cpp-gpu, not llama.cpp-cpu"),
        ({"runtime": "llama.cpp-cpu", "threads": 999}, "with 999 threads, and this machine is"),
        ({"runtime": "iree-cpu"}, "provenance.runtime = 'iree-cpu'; nothing measures with it here"),
    ):
        ((way, why_not),) = places_of(campaign, laptop(**change))
        assert way is None
        assert said in why_not
        assert why_not.endswith("and no measure_command is given")
        beside = laptop(**change).model_copy(update={"measure_command": ("measure", "{arch}")})
        assert places_of(campaign, beside) == [("command", "")]


def test_types_that_jax_cannot_measure_are_said(tmp_path):
    one = {"metric": "decode_latency_s", "device": "laptop"}
    campaign = on(
        tmp_path, one, one | {"weights": "int4"}, one | {"cache": "int8"}, one | {"weights": "float32"}
    )
    found = places(Pricing.of(campaign, {"laptop": laptop()}))
    assert [place.way for place in found] == ["here", "here", None]
    assert "cache = 'int8'; with dtype = 'float32', jax is measured with float32" in found[2].why_not
    # float32 weights are those of float32: one measurement answers both
    assert [len(place.objectives) for place in found] == [2, 1, 1]
    assert found[1].workload == Workload(weights="int4")


def test_a_profile_is_measured_by_its_own_runtime(tmp_path):
    one = {"metric": "decode_latency_s", "device": "laptop", "weights": "int4", "cache": "float16"}
    campaign = on(tmp_path, one, one | {"batch": 2}, one | {"dtype": "bfloat16"}, one | {"cache": "bfloat16"})
    found = places(Pricing.of(campaign, {"laptop": laptop(runtime="llama.cpp-cpu")}))
    assert [place.way for place in found] == ["here", None, None, None]
    for place, said in zip(
        found[1:],
        (
            "laptop: batch = 2; llama.cpp is measured with 1 at most",
            "laptop: dtype = 'bfloat16'; with dtype = 'bfloat16', llama.cpp is measured with float32",
            "laptop: cache = 'bfloat16'; with dtype = 'float32', llama.cpp is measured with float32, float16",
        ),
        strict=True,
    ):
        assert said in place.why_not


def test_a_runtime_that_is_not_installed_is_said_before_the_run(tmp_path, monkeypatch):
    asked = {"device": llama_cpp_profile(tmp_path), "weights": "int8", "cache": "float16"}
    campaign = on(tmp_path, {"metric": "decode_latency_s", **asked})
    absent = replace(LLAMA_CPP, packages=("no_such_package",))
    monkeypatch.setitem(runtimes.RUNTIMES, "llama.cpp", absent)
    said = r"needs no_such_package; install them with pip install arch"
    with pytest.raises(InvalidInput, match=said):
        run(campaign, tmp_path / "run", ONE)
    assert not (tmp_path / "run").exists()
    name = str(asked["device"])
    RunDirectory(tmp_path / "run").create(campaign, {name: load_device(Path(name))})
    with pytest.raises(InvalidInput, match=said):
        resume(tmp_path / "run", ONE)
    assert campaigns.events(tmp_path / "run", "run") == []


@pytest.mark.parametrize(
    ("count", "sections", "said"),
    [
        (-1, [], ["finalists.count = -1", "greater than or equal to 0"]),
        (101, [], ["finalists.count = 101", "less than or equal to 100"]),
        (
            1,
            [{"metric": "decode_latency_s", "device": "raspberry-pi-5"}],
            ["finalists.count = 1", "raspberry-pi-5 is not this machine", "measure_command", "this-machine"],
        ),
        (3, [{"metric": "parameters"}], ["finalists.count = 3", "no objective is one of prefill_latency_s"]),
        (1, [{"metric": "decode_latency_s", "device": "{odd}"}], ["measure_command", "'{where}'", "{arch}"]),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_run(tmp_path, count, sections, said):
    odd = board(tmp_path, "odd", "measure", "{where}")
    sections = [
        {key: odd if value == "{odd}" else value for key, value in section.items()} for section in sections
    ]
    with pytest.raises(InvalidInput) as caught:
        run(on(tmp_path, *sections, count=count), tmp_path / "run", ONE)
    assert [words for words in said if words not in str(caught.value)] == [], str(caught.value)
    assert not (tmp_path / "run").exists()


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
    ledger.job_seconds.append((0, 2.0))
    assert seconds_left(ledger, 1) == pytest.approx(3 * 2.0)
    ledger.finalists = FinalistsChosen(candidates=("a", "b"), measurements=4, unmeasured={})
    assert seconds_left(ledger, 2) is None
    ledger.measurement_seconds += [3.0, 5.0]
    assert seconds_left(ledger, 2) == pytest.approx(2 * 4.0)
    ledger.finalists = FinalistsChosen(candidates=(), measurements=0, unmeasured={})
    assert seconds_left(Ledger(campaign, finalists=ledger.finalists), 2) == 0.0
