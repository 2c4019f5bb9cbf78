"""Campaigns from their file to their report: whole, killed, damaged, resumed."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from archsearch.campaign.directory import load_run
from archsearch.campaign.file import Campaign
from archsearch.campaign.ledger import TrialRecord
from archsearch.campaign.status import status
from archsearch.launch import Workers, resume, run
from archsearch.reporting.report import write_report
from genomes import InvalidInput, load_architecture
from support import campaigns, interrupting
from support.pages import Page, csv_rows

PATIENCE_S = 400.0
TWO = Workers("local", None, 2)
DEEPER = "reference lfm2 is trained with 6 blocks where candidates have at most 3"


def archsearch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line in its own process."""
    command = [sys.executable, "-m", "archsearch.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def interrupted(campaign_file: Path, out: Path, signal_number: int, jobs: int) -> tuple[int, str]:
    """Start `archsearch run` and send its group a signal when the journal holds so many jobs.

    Returns exit code and stderr, after all of its workers have ended.
    """
    process = interrupting.start("run", campaign_file, "--out", out, "--executor", "local", "--workers", 2)
    journal = out / "journal.jsonl"
    interrupting.wait_until(
        process, lambda: journal.exists() and journal.read_bytes().count(b'"event":"job"') >= jobs
    )
    return interrupting.stop(process, signal_number, group=True)


def trial_files(path: Path) -> dict[str, bytes]:
    """The trials done, with the time that each took: another run of one would write another."""
    files = path.glob("candidates/*/trials/*/result.json")
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


# A whole run.


def test_a_run_leaves_the_promised_files(base, campaign):
    for name in ("campaign.yaml", "environment.json", "journal.jsonl", "profiles/names.json"):
        assert (base / name).is_file(), name
    assert {path.stem for path in (base / "profiles").glob("*.yaml")} == {
        "raspberry-pi-5",
        "galaxy-s24-ultra-cpu",
    }
    assert Campaign.model_validate(yaml.safe_load((base / "campaign.yaml").read_text("utf-8"))) == campaign
    environment = json.loads((base / "environment.json").read_text("utf-8"))
    assert environment["versions"].keys() >= {"archsearch", "jax", "flax", "numpy"}
    assert {path.name for path in (base / "report").iterdir()} >= {
        "index.html",
        "front.csv",
        "candidates.csv",
        "trials.csv",
    }
    assert list((base / "report").glob("*.png"))
    results = load_run(base).results()
    for candidate in results.candidates:
        folder = base / "candidates" / candidate.fingerprint
        proxy, target = (load_architecture(folder / f"{x}arch.json") for x in ("", "target."))
        assert (proxy.width, target.width, len(target.blocks)) == (16, 64, 6)
        judged = json.loads((folder / "result.json").read_text("utf-8"))
        assert judged["status"] == candidate.status
        assert judged["objectives"] == candidate.objectives
    for trial in load_run(base).ledger.trials.values():
        folder = base / trial.directory
        assert json.loads((folder / "result.json").read_text("utf-8")) == trial.result.to_dict()
        steps = [int(row["step"]) for row in csv_rows(folder / "curve.csv")]
        assert steps == list(range(trial.result.resumed_from_step, trial.result.steps))
        assert (folder / "log.txt").read_text("utf-8").count("\n") >= 2
    assert list(base.rglob("*.tmp")) + list(base.rglob(".*")) == []


def trials_by_job(path: Path) -> dict[tuple[str, int], list[TrialRecord]]:
    """The trials that each candidate took at each rung."""
    ledger = load_run(path).ledger
    jobs = campaigns.events(path, "job")
    return {(job["candidate"], job["rung"]): [ledger.trials[key] for key in job["asked"]] for job in jobs}


def test_the_counts_add_up(base):
    results = load_run(base).results()
    evaluated = [c for c in results.candidates if c.status == "evaluated"]
    searched = [c for c in evaluated if c.origin == "searched"]
    assert len(searched) == campaigns.SEARCHED
    assert sum(c.generation == 0 for c in searched) == 3
    assert [c.name for c in evaluated if c.origin == "reference"] == ["transformer++", "lfm2", "qwen3"]
    fingerprints = [c.fingerprint for c in results.candidates]
    assert len(set(fingerprints)) == len(fingerprints)
    assert len({c.pattern for c in searched}) == len(searched)
    assert {path.name for path in (base / "candidates").iterdir()} == set(fingerprints)
    counts = campaigns.trial_counts(base)
    assert set(counts.values()) == {1}
    promoted = {c.fingerprint for c in evaluated if c.rung == 1}
    assert len(promoted) >= campaigns.REFERENCES + 1 + 1
    # two rates for each task at the first rung, the best and perhaps a close one at the next
    by_job = trials_by_job(base)
    assert {fingerprint for fingerprint, rung in by_job if rung == 0} == {c.fingerprint for c in evaluated}
    assert {fingerprint for fingerprint, rung in by_job if rung == 1} == promoted
    for (fingerprint, rung), trials in by_job.items():
        is_reference = results.candidate(fingerprint).origin == "reference"
        for task in ("text", "in-context-recall"):
            replicates = [t.replicate for t in trials if t.task == task]
            assert set(replicates) == set(range(3 if is_reference and rung < 2 else 1))
            assert replicates.count(0) in ({2}, {1, 2}, {1})[rung]
            assert all(replicates.count(replicate) == 1 for replicate in set(replicates) - {0})
    assert len(csv_rows(base / "report" / "trials.csv")) == len(counts)
    assert len(csv_rows(base / "report" / "candidates.csv")) == len(fingerprints)


def test_a_promoted_trial_goes_on_from_the_shorter_one(base):
    trials = load_run(base).ledger.trials.values()
    first = [t for t in trials if t.replicate == 0]
    assert {t.result.resumed_from_step for t in first if t.rung == 1} == {4}  # the decay of 5 steps: 1
    assert {t.result.resumed_from_step for t in first if t.rung == 0} == {0}


def test_data_are_common_to_all_candidates_and_weights_are_their_own(base):
    trials = load_run(base).ledger.trials.values()
    for rung in range(3):
        for replicate in {t.replicate for t in trials if t.rung == rung}:
            alike = [t for t in trials if (t.rung, t.replicate) == (rung, replicate)]
            assert len({t.result.config["data_seed"] for t in alike}) == 1
            assert len({t.result.seed for t in alike}) == len({t.candidate for t in alike})
    streams = {(t.rung == 2, t.replicate, t.result.config["data_seed"]) for t in trials}
    assert len({seed for *_, seed in streams}) == len(streams) == 3 + 1


def test_the_front_and_the_references_are_trained_anew_at_the_end(base):
    results, loaded = load_run(base).results(), load_run(base)
    again = {fingerprint for fingerprint, rung in trials_by_job(base) if rung == 2}
    front = {results.candidate(identifier).fingerprint for identifier in results.front}
    assert again == front | {c.fingerprint for c in results.candidates if c.origin == "reference"}
    for trial in loaded.ledger.trials.values():
        if trial.rung < 2:
            continue
        assert (trial.result.steps, trial.result.resumed_from_step) == (10, 0)
        proxy = loaded.ledger.candidates[trial.candidate].proxy
        chosen = loaded.standing.chosen(proxy, 1)[trial.task, 0]
        assert trial.result.learning_rate == chosen.result.learning_rate
        assert trial.result.seed != chosen.result.seed
        assert not (base / trial.directory / "checkpoint").exists()
    order = [(event["rung"], event["at"]) for event in campaigns.events(base, "job")]
    assert max(at for rung, at in order if rung < 2) <= min(at for rung, at in order if rung == 2)


def test_the_front_is_of_the_last_rung_and_not_dominated(base):
    results = load_run(base).results()
    front = [results.candidate(i) for i in results.front]
    assert front
    assert {c.rung for c in front} == {1}
    assert [row["id"] for row in csv_rows(base / "report" / "front.csv")] == list(results.front)
    signs = [1 if o.direction == "min" else -1 for o in results.objectives]

    def axes(c):
        return [sign * c.objectives[o.name] for sign, o in zip(signs, results.objectives, strict=True)]

    rivals = [axes(c) for c in results.candidates if c.rung == 1 and c.breaks is None]
    for winner in map(axes, front):
        assert not [r for r in rivals if r != winner and all(a <= b for a, b in zip(r, winner, strict=True))]
    row = csv_rows(base / "report" / "front.csv")[0]
    assert {"decode_latency_s[raspberry-pi-5,512,1,float32]", "score[text]", "pattern"} <= row.keys()


def test_bounds_reject_before_training_and_say_why(base):
    results = load_run(base).results()
    rejected = [c for c in results.candidates if c.status == "rejected"]
    assert rejected
    for candidate in rejected:
        assert candidate.objectives["parameters"] > 190_000
        assert candidate.cause is not None
        assert "above at_most = 190000" in candidate.cause
        assert candidate.rung == -1
        assert not (base / "candidates" / candidate.fingerprint / "trials").exists()
    trained = {event["candidate"] for event in campaigns.events(base, "job")}
    assert not trained & {c.fingerprint for c in rejected}
    searched = [c for c in results.candidates if c.origin == "searched" and c.status == "evaluated"]
    assert max(c.objectives["parameters"] for c in searched) <= 190_000
    # references are measured whatever the bounds say
    lfm2 = results.candidate("lfm2")
    assert lfm2.objectives["parameters"] > 190_000
    assert lfm2.status == "evaluated" and "above at_most" in (lfm2.breaks or "")
    assert lfm2.id not in results.front


def test_status_has_the_keys_of_the_design(base):
    done = archsearch("status", base, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found.keys() >= {
        "evaluated",
        "failed",
        "cached",
        "in_flight",
        "front",
        "hypervolume",
        "finished",
        "worker_time",
    }
    assert found["evaluated"] == campaigns.SEARCHED + campaigns.REFERENCES
    assert (found["failed"], found["in_flight"], found["finished"]) == (0, 0, True)
    assert found["front"] == list(load_run(base).results().front)
    assert found["hypervolume"] > 0
    assert sum(found["worker_time"].values()) == pytest.approx(1, abs=0.01)
    assert 0 < found["worker_time"]["training"] < 1
    assert found["damaged_journal_lines"] == []
    assert found["deeper_references"] == [DEEPER]
    assert DEEPER[1:] in Page(base / "report" / "index.html").text


def test_a_run_never_overwrites(base, campaign, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work", encoding="utf-8")
    for existing in (out, base, out / "thesis.txt"):
        with pytest.raises(InvalidInput, match="never overwrites"):
            run(campaign, existing, TWO)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_ray_finds_the_same(base, text, tmp_path):
    """In a process of its own: Ray forks, and this one runs jax."""
    file = campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))
    done = archsearch("run", file, "--out", tmp_path / "run", "--executor", "ray", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert campaigns.outcome(tmp_path / "run") == campaigns.outcome(base)


# Killed, damaged, resumed.


def test_a_killed_run_goes_on_where_it_was(base, text, tmp_path):
    file, out = campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text)), tmp_path / "run"
    code, _ = interrupted(file, out, signal.SIGKILL, jobs=3)
    assert code == -signal.SIGKILL
    before, known = trial_files(out), campaigns.trial_counts(out)
    assert 0 < len(known) < len(campaigns.trial_counts(base))
    found = status(out)
    assert (found["finished"], found["running"], found["in_flight"]) == (False, False, 0)
    done = archsearch("resume", out)
    assert done.returncode == 0, done.stderr
    assert campaigns.outcome(out) == campaigns.outcome(base)
    assert campaigns.trial_counts(out) == campaigns.trial_counts(base)
    after = trial_files(out)
    assert {name: after[name] for name in before} == before
    assert (out / "report" / "index.html").is_file()


def test_an_interrupted_run_says_how_to_go_on(base, text, tmp_path):
    file, out = campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text)), tmp_path / "run"
    code, told = interrupted(file, out, signal.SIGINT, jobs=2)
    assert code == 1
    assert f"archsearch resume {out}" in told
    assert "Traceback" not in told
    assert campaigns.events(out, "stopped")[-1]["reason"].startswith("KeyboardInterrupt")
    assert status(out)["in_flight"] == 0
    resume(out, TWO)
    assert campaigns.outcome(out) == campaigns.outcome(base)
    assert set(campaigns.trial_counts(out).values()) == {1}


@pytest.mark.slow
def test_two_workers_one_of_them_killed_find_the_same(base, campaign, tmp_path):
    killed: list[int] = []

    def kill_one(session) -> None:
        if killed or session.evaluator.in_flight < 2 or not campaigns.events(tmp_path / "run", "job"):
            return
        for process in psutil.Process().children():
            if any("serve" in word for word in process.cmdline()):
                process.kill()
                killed.append(process.pid)
                return

    run(campaign, tmp_path / "run", TWO, kill_one)
    assert killed
    assert campaigns.outcome(tmp_path / "run") == campaigns.outcome(base)
    assert campaigns.events(tmp_path / "run", "retry")


def lines_of(path: Path, kind: str) -> list[int]:
    lines = (path / "journal.jsonl").read_text("utf-8").splitlines()
    return [i for i, line in enumerate(lines) if json.loads(line)["event"] == kind]


@pytest.mark.parametrize(
    "kind", ["run", "candidate", "job", pytest.param("generation", marks=pytest.mark.slow)]
)
def test_a_damaged_journal_is_mended_from_the_files(base, copy, kind):
    journal = copy / "journal.jsonl"
    number = lines_of(copy, kind)[len(lines_of(copy, kind)) // 2]
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[number] = b"\x00\xff" + lines[number][5:40] + b"\n"
    # and the end is gone, cut in the middle of a line
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:9])
    before = trial_files(copy)
    assert status(copy)["damaged_journal_lines"]
    write_report(load_run(copy).results(), copy / "report")
    said: list[str] = []
    resume(copy, TWO, say=said.append)
    said = [line for line in said if "is damaged" in line]
    assert all(f"line {n} is damaged" in line for n, line in zip((number + 1, len(lines)), said, strict=True))
    assert campaigns.outcome(copy) == campaigns.outcome(base)
    assert trial_files(copy) == before  # nothing was trained again


def test_a_lost_journal_is_written_again_from_the_files(base, copy):
    (copy / "journal.jsonl").write_bytes(b"")
    before = trial_files(copy)
    resume(copy, TWO)
    assert campaigns.outcome(copy) == campaigns.outcome(base)
    assert trial_files(copy) == before


def test_resuming_a_finished_run_says_so_and_changes_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    done = archsearch("resume", copy)
    assert (done.returncode, done.stderr) == (0, "")
    assert "finished" in done.stdout
    assert str(copy / "report" / "index.html") in done.stdout
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before


def test_resuming_a_run_killed_before_its_report_writes_it(copy):
    shutil.rmtree(copy / "report")
    done = archsearch("resume", copy)
    assert done.returncode == 0, done.stderr
    assert (copy / "report" / "index.html").is_file()
    assert (copy / "report" / "front.csv").is_file()


# The run that was begun.


def test_a_resumed_run_has_the_campaign_that_was_begun(copy):
    cut_after(copy, "generation", 1)
    before = (copy / "journal.jsonl").read_bytes()
    with pytest.raises(InvalidInput, match=r"search\.population = 4, when the run was begun 3; legal"):
        resume(copy, TWO, overrides=["search.population=4"])
    data = yaml.safe_load((copy / "campaign.yaml").read_text("utf-8"))
    data["budget"]["rungs"] = [5, 20]
    campaigns.write(copy / "campaign.yaml", data)
    done = archsearch("resume", copy)
    assert done.returncode == 2
    assert "budget.rungs.1 = 20, when the run was begun 10" in done.stderr
    assert (copy / "journal.jsonl").read_bytes() == before


def test_a_resumed_run_has_the_data_that_were_begun(tmp_path):
    text = campaigns.text_folder(tmp_path / "text")
    campaign, out = campaigns.load(tmp_path, campaigns.tiny(text)), tmp_path / "run"

    def stop(_) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(campaign, out, TWO, stop)
    before = (out / "journal.jsonl").read_bytes()
    kept = (text / "one.txt").read_bytes()
    (text / "one.txt").write_bytes(kept.upper())
    with pytest.raises(InvalidInput, match=r"task text: its data have the hash .*, when the run was begun"):
        resume(out, TWO)
    assert (out / "journal.jsonl").read_bytes() == before
    (text / "one.txt").write_bytes(kept)
    with pytest.raises(KeyboardInterrupt):
        resume(out, TWO, stop)


@pytest.mark.slow
def test_a_finished_run_goes_on_where_more_generations_are_asked_for(copy, text, tmp_path):
    data = campaigns.tiny(text)
    data["search"]["generations"] = 3
    run(campaigns.load(tmp_path, data), tmp_path / "whole", TWO)
    done = archsearch("resume", copy, "--set", "search.generations=3")
    assert done.returncode == 0, done.stderr
    whole, extended = campaigns.outcome(tmp_path / "whole"), campaigns.outcome(copy)
    assert extended["candidates"] == whole["candidates"]
    assert extended["front"] == whole["front"]
    assert len(campaigns.events(copy, "run")) == 2


def test_a_directory_is_made_whole_or_not_at_all(campaign, tmp_path):
    with pytest.raises(InvalidInput, match="address"):
        run(campaign, tmp_path / "run", Workers("ray", "ray://127.0.0.1:9"))
    assert not list(tmp_path.iterdir())


def test_two_processes_do_not_write_one_run(campaign, tmp_path):
    refused: list[str] = []

    def resume_beside(_) -> None:
        if not refused:
            assert status(tmp_path / "run")["running"]
            done = archsearch("resume", tmp_path / "run", "--executor", "local")
            refused.append(f"{done.returncode} {done.stderr}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(campaign, tmp_path / "run", TWO, resume_beside)
    assert refused[0].startswith("2 ")
    assert "another archsearch process" in refused[0]
    assert not status(tmp_path / "run")["running"]


# What goes wrong.


def cut_after(path: Path, kind: str, count: int) -> None:
    """Leave the journal as it was after so many events of a kind."""
    journal = path / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: lines_of(path, kind)[count - 1] + 1]))


def test_a_candidate_that_fails_is_recorded_and_the_campaign_goes_on(base, copy):
    first = next(c for c in load_run(base).results().candidates if c.origin == "searched" and c.rung >= 0)
    cut_after(copy, "candidate", campaigns.REFERENCES)
    for file in (copy / "candidates" / first.fingerprint).glob("trials/*/result.json"):
        diverged = json.loads(file.read_text("utf-8")) | {"status": "failed", "cause": "the loss became nan"}
        file.write_text(json.dumps(diverged), encoding="utf-8")
    results = resume(copy, TWO)
    assert results.finished
    failed = [c for c in results.candidates if c.status == "failed"]
    assert [c.fingerprint for c in failed] == [first.fingerprint]
    assert failed[0].cause is not None
    assert "the loss became nan" in failed[0].cause
    assert failed[0].id not in results.front
    assert status(copy)["failed"] == 1
    table = {row["id"]: row for row in csv_rows(copy / "report" / "candidates.csv")}
    assert table[first.id]["status"] == "failed"
    assert table[first.id]["cause"] == failed[0].cause
    judged = [c for c in results.candidates if c.origin == "searched" and c.status == "evaluated"]
    assert len(judged) == campaigns.SEARCHED - 1


def test_what_a_machine_lacks_is_no_failure_of_a_candidate(base, copy):
    first = next(c for c in load_run(base).results().candidates if c.origin == "searched" and c.rung >= 0)
    cut_after(copy, "candidate", campaigns.REFERENCES)
    folder = copy / "candidates" / first.fingerprint
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "trials").write_text("in the way", encoding="utf-8")
    done = archsearch("resume", copy)
    assert done.returncode == 1
    assert "nothing is counted against a candidate" in done.stderr
    assert f"archsearch resume {copy}" in done.stderr
    (folder / "trials").unlink()
    assert resume(copy, TWO).finished
    assert campaigns.outcome(copy) == campaigns.outcome(base)


def test_where_no_reference_trains_the_run_fails_says_why_and_can_be_tried_again(base, text, tmp_path):
    data = campaigns.tiny(text)
    data["budget"]["timeout_s"] = 0.05
    file = campaigns.write(tmp_path / "tiny.yaml", data)
    done = archsearch("run", file, "--out", tmp_path / "run", "--executor", "local", "--workers", "2")
    assert done.returncode == 1
    assert "no reference could be trained" in done.stderr
    assert "killed after 0.05 s" in done.stderr
    assert "Traceback" not in done.stderr
    again = archsearch("resume", tmp_path / "run", "--set", "budget.timeout_s=300", "--retry-failed")
    assert again.returncode == 0, again.stderr
    assert campaigns.outcome(tmp_path / "run") == campaigns.outcome(base)
    assert load_run(tmp_path / "run").campaign.budget.timeout_s == 300


def test_a_space_that_runs_out_ends_cleanly(text, tmp_path):
    data = campaigns.tiny(text)
    data["space"] = {"preset": None, "blocks": 1, "classes": {"any": ["attention", "swiglu(2)", "s5"]}}
    data["search"]["population"] = 5
    data["tasks"] = data["tasks"][1:]
    data["budget"] |= {"rungs": [5]}
    results = run(campaigns.load(tmp_path, data), tmp_path / "run", TWO)
    searched = [c for c in results.candidates if c.origin == "searched" and c.status == "evaluated"]
    assert results.finished
    assert len(searched) == 3
    assert (tmp_path / "run" / "report" / "index.html").is_file()


def test_where_bounds_reject_all_the_run_fails_and_says_why(text, tmp_path):
    data = campaigns.tiny(text)
    data["objectives"][-1]["at_most"] = 1000
    data["tasks"] = data["tasks"][1:]
    data["budget"] |= {"rungs": [5]}
    file, out = campaigns.write(tmp_path / "tiny.yaml", data), tmp_path / "run"
    done = archsearch("run", file, "--out", out, "--executor", "local", "--workers", "2")
    assert done.returncode == 1
    rejected = status(out)["rejected"]
    assert rejected > 100
    assert (
        f"bounds rejected {rejected}, 0 failed and 0 went no further; {rejected} times: param" in done.stderr
    )
    assert "above at_most = 1000" in done.stderr
    assert "goes on from here" not in done.stderr
    assert (out / "report" / "index.html").is_file()
    assert not [event for event in campaigns.events(out, "job") if event["rung"] == 1], "nothing to judge"
    again = archsearch("resume", out)
    assert (again.returncode, again.stderr) == (1, done.stderr[done.stderr.index("archsearch: ") :])


@pytest.mark.parametrize("version", [2, None])
def test_a_run_of_another_training_version_is_finished_or_refused(copy, version):
    journal = copy / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    for line in lines:
        if line["event"] == "run":
            del line["training"]
        for trial in line.get("trials", ()):
            trial["result"]["versions"].pop("training")
            if version is not None:
                trial["result"]["versions"]["training"] = str(version)
    whole = [json.dumps(line) + "\n" for line in lines]
    journal.write_text("".join(whole), encoding="utf-8")
    assert resume(copy, TWO).finished
    journal.write_text("".join(whole[:-1]), encoding="utf-8")
    before = trial_files(copy)
    done = archsearch("resume", copy)
    assert done.returncode == 2
    assert f"{copy}: version of the training code = {version or 1}; legal: 3" in done.stderr
    assert f"archsearch run {copy / 'campaign.yaml'} --out NEW" in done.stderr
    assert journal.read_text("utf-8") == "".join(whole[:-1])
    assert trial_files(copy) == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(base, text, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount")
    try:
        file = campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))
        out = disk / "run"
        done = archsearch("run", file, "--out", out, "--executor", "local", "--workers", "2")
        assert done.returncode == 1, done.stderr
        assert "No space left" in done.stderr
        assert f"archsearch resume {out}" in done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=500m", str(disk)], check=True)
        done = archsearch("resume", out)
        assert done.returncode == 0, done.stderr
        assert campaigns.outcome(out) == campaigns.outcome(base)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
