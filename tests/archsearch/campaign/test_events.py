"""Events: written as ever, read back as the same values, and checked when they are read."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsearch.campaign.events import (
    CandidateRecord,
    FinalistsChosen,
    GenerationDone,
    JobRecord,
    JobRetried,
    MeasurementRecord,
    NotAnEventError,
    RunFinished,
    RunStopped,
    SessionBegan,
    TrialDone,
    UnknownEvent,
    event_line,
    read_event,
)
from archsearch.campaign.journal import Journal, read_journal
from archsearch.campaign.results import Offspring
from archsearch.executors import Failure
from genomes import InvalidInput
from hardware_profiles import Estimate
from support import GOLDEN, event_cases

JOURNALS = sorted(GOLDEN.glob("journal-v1*.jsonl"))
LINES = [line for path in JOURNALS for line in path.read_bytes().splitlines()]
HEX = "0123456789abcdef"

STEERING = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]")
texts = st.text(max_size=20).map(lambda text: STEERING.sub("", text))
"""Without characters that steer a terminal: these are read as question marks."""
fingerprints = st.text("0123456789abcdef", min_size=16, max_size=16)
numbers = st.floats(allow_nan=False, allow_infinity=False)
mixed = numbers | st.integers(-(2**60), 2**60)
durations = st.floats(0, 1e9)
counts = st.integers(0, 10**6)
types = st.none() | st.sampled_from(["float32", "int8"])
failures = st.builds(Failure, st.sampled_from(["error", "crashed", "out_of_memory", "timeout"]), texts, texts)
scored = st.builds(
    event_cases.trial_done, fingerprints, texts, numbers, st.none() | numbers, st.none() | st.just("it broke")
)
trials = st.builds(
    lambda trial, number: replace(trial, directory=f"candidates/{HEX}/trials/text-{number}"), scored, counts
)
percentiles = st.fixed_dictionaries(dict.fromkeys(("p10", "median", "p90"), numbers))
events = st.one_of(
    st.builds(
        SessionBegan,
        at=numbers,
        executor=st.sampled_from(["ray", "local"]),
        address=st.none() | texts,
        asked_workers=st.none() | counts,
        workers=counts,
        began=numbers,
        reference_point=st.dictionaries(texts, mixed),
        training=st.none() | counts,
    ),
    st.builds(
        CandidateRecord,
        at=numbers,
        fingerprint=fingerprints,
        proxy=fingerprints,
        name=texts,
        origin=st.sampled_from(["reference", "searched"]),
        genome=st.none() | texts,
        pattern=texts,
        kinds=st.lists(texts).map(tuple),
        weights=types,
        cache=types,
        generation=st.integers(-1, 9),
        costs=st.dictionaries(texts, st.builds(Estimate, mixed, mixed, mixed), max_size=3),
        parameters=st.dictionaries(texts, st.integers(), max_size=2),
        rejected=st.none() | texts,
    ),
    st.builds(
        JobRecord,
        at=numbers,
        candidate=fingerprints,
        proxy=fingerprints,
        rung=counts,
        worker=texts,
        seconds=durations,
        startup_seconds=durations,
        failure=st.none() | failures,
        asked=st.lists(fingerprints, max_size=3).map(tuple),
        trials=st.lists(trials, max_size=2).map(tuple),
    ),
    st.builds(JobRetried, at=numbers, job=texts, failure=failures),
    st.builds(
        GenerationDone,
        at=numbers,
        index=counts,
        offspring=st.builds(Offspring, counts, counts, counts, st.dictionaries(texts, counts, max_size=2)),
        cached=counts,
    ),
    st.builds(
        FinalistsChosen,
        at=numbers,
        candidates=st.lists(fingerprints).map(tuple),
        measurements=counts,
        unmeasured=st.dictionaries(texts, texts, max_size=2),
    ),
    st.builds(
        MeasurementRecord,
        at=numbers,
        candidate=fingerprints,
        device=texts,
        way=st.sampled_from(["here", "command", None]),
        context=counts,
        batch=counts,
        dtype=texts,
        weights=types,
        cache=types,
        objectives=st.just(("a[1]", "b")),
        figures=st.fixed_dictionaries({"a": percentiles, "b": percentiles}),
        repeat_spread=st.none() | mixed,
        stable=st.none() | st.booleans(),
        disturbed=st.none() | st.booleans(),
        seconds=durations,
        failure=st.none() | texts,
    ),
    st.builds(RunStopped, at=numbers, reason=texts),
    st.builds(RunFinished, at=numbers),
)


def line_of(kind: str) -> dict[str, Any]:
    """The first golden line of a kind."""
    return next(data for line in LINES if (data := json.loads(line))["event"] == kind)


@given(events)
def test_what_is_written_reads_back_the_same(event) -> None:
    line = event_line(event)
    again = read_event(line.encode())
    assert (again, again.at) == (event, event.at)
    assert event_line(again) == line, "an integer stays an integer"


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_golden_lines_are_written_as_they_were(path) -> None:
    """But for the keys that older ones lack."""
    added = {
        "run": {"training", "campaign", "data", "data_notes", "place", "versions", "retries"},
        "candidate": {"weights", "cache"},
        "generation": {"offspring"},
        "job": {"trials"},
    }
    gone = {"generation": {"redrawn"}}
    events, damages = read_journal(path)
    assert not damages
    for event, line in zip(events, path.read_bytes().splitlines(), strict=True):
        before, after = json.loads(line), json.loads(event_line(event))
        new = after.keys() - before.keys()
        assert new <= added.get(event.kind, set())
        assert before.keys() - after.keys() <= gone.get(event.kind, set())
        for key in before.keys() & after.keys() - {"trials"}:
            assert repr(before[key]) == repr(after[key])
        for old, written in zip(before.get("trials", ()), after.get("trials", ()), strict=True):
            assert written["result"] | old["result"] == written["result"]
            assert written | {"result": old["result"]} == old
        if not new and not gone.get(event.kind, set()) & before.keys():
            assert list(before) == list(after), "the order of the keys"


def test_numbers_without_a_value_are_never_written(tmp_path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        for lost in (float("nan"), float("inf")):
            with pytest.raises(ValueError, match="JSON"):
                journal.write(event_cases.candidate_record("x", costs={"a": Estimate(lost, 1.0, 1.0)}))
    assert read_journal(tmp_path / "journal.jsonl") == ([], [])


def test_half_characters_are_replaced(tmp_path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.write(RunStopped(reason="no file \udcff \U0001f600"))
    assert read_journal(tmp_path / "journal.jsonl") == ([RunStopped(reason="no file ? \U0001f600")], [])


def test_half_characters_of_older_journals_are_read() -> None:
    line = rb'{"event":"stopped","at":1.0,"reason":"no file \udcff \ud83d\ude00"}'
    assert read_event(line) == RunStopped(reason="no file ? \U0001f600")


HUGE = 10**400
"""An integer that no float comes near."""
WRONG = [
    ("run", "workers", HUGE),
    ("run", "reference_point", {"quality": -HUGE}),
    ("candidate", "costs", {"a": {"value": HUGE, "low": 1.0, "high": 2.0}}),
    ("generation", "offspring", {"made": 1, "invalid": HUGE}),
    ("measured", "repeat_spread", HUGE),
    ("run", "workers", "2"),
    ("run", "workers", True),
    ("run", "workers", -1),
    ("run", "training", "3"),
    ("run", "training", -1),
    ("run", "executor", "threads"),
    ("run", "began", float("nan")),
    ("run", "reference_point", {"quality": "low"}),
    ("run", "reference_point", {"quality": float("inf")}),
    ("candidate", "fingerprint", "15e5ebd6ba90772"),
    ("candidate", "fingerprint", "15E5EBD6BA907721"),
    ("candidate", "proxy", "../../../../../a"),
    ("candidate", "origin", "stolen"),
    ("candidate", "kinds", "attention"),
    ("candidate", "costs", {"a": {"value": 1.0, "low": 1.0}}),
    ("candidate", "costs", {"a": {"value": 1.0, "low": 1.0, "high": float("nan")}}),
    ("candidate", "costs", {"a": {"value": 1.0, "low": True, "high": 2.0}}),
    ("candidate", "costs", {"a": 1.0}),
    ("candidate", "parameters", {"proxy": 1.5}),
    ("candidate", "rejected", False),
    ("job", "proxy", None),
    ("job", "rung", 0.5),
    ("job", "rung", -1),
    ("job", "seconds", float("-inf")),
    ("job", "failure", "it broke"),
    ("job", "failure", {"kind": "mood", "message": ""}),
    ("job", "asked", ["no key"]),
    ("job", "trials", [{}]),
    ("generation", "cached", None),
    ("finalists", "candidates", [1]),
    ("measured", "objectives", ["energy_j"]),
    ("measured", "figures", None),
    ("measured", "figures", {"decode_latency_s": {"median": 1.0}}),
    ("measured", "stable", 1),
    ("finished", "at", "noon"),
    ("finished", "at", None),
]


@pytest.mark.parametrize(("kind", "key", "value"), WRONG)
def test_a_line_that_is_no_event_of_its_kind_is_damaged(kind: str, key: str, value: object, tmp_path) -> None:
    lines = [json.dumps(line_of("run")), json.dumps(line_of(kind) | {key: value})]
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    events, damages = read_journal(path)
    assert len(events) == 1
    assert [(damage.line, damage.text) for damage in damages] == [(2, lines[1])]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("key", "no key"),
        ("directory", "../../somewhere"),
        ("directory", f"candidates/{HEX}/trials/../../../.."),
        ("directory", f"candidates/{HEX}/trials/.."),
        ("replicate", "0"),
        ("result", None),
    ],
)
def test_a_trial_that_is_none_damages_its_line(key: str, value: object) -> None:
    job = line_of("job")
    trials = [job["trials"][0] | {key: value}, *job["trials"][1:]]
    with pytest.raises(NotAnEventError):
        read_event(json.dumps(job | {"trials": trials}).encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [("score", None), ("score", "0.5"), ("loss", float("nan")), ("seconds", 3.0), ("status", "")],
)
def test_a_result_that_is_none_damages_its_line(key: str, value: object) -> None:
    job = line_of("job")
    trial = job["trials"][0]
    trials = [trial | {"result": trial["result"] | {key: value}}, *job["trials"][1:]]
    with pytest.raises(NotAnEventError):
        read_event(json.dumps(job | {"trials": trials}).encode())


def test_results_of_other_versions_are_read() -> None:
    """Without the fields of later versions, and with fields of versions to come."""
    job = line_of("job")
    trial = job["trials"][0]
    kept = {k: v for k, v in trial["result"].items() if k not in ("load_balance", "versions", "seconds")}
    event = read_event(json.dumps(job | {"trials": [trial | {"result": kept | {"charm": [1]}}]}).encode())
    assert isinstance(event, JobRecord)
    (done,) = event.trials
    assert isinstance(done, TrialDone)
    assert done.result.to_dict() == {**done.result.to_dict(), **kept, "load_balance": None, "seconds": {}}


def test_trials_of_another_campaign_damage_their_line(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(line_of("job")) + "\n", encoding="utf-8")
    task = line_of("job")["trials"][0]["task"]
    assert not read_journal(path, [task, "another"])[1]
    events, (damage,) = read_journal(path, ["another"])
    assert (events, damage.line) == ([], 1)


@given(st.sampled_from(LINES), st.data())
def test_a_torn_line_is_damaged_or_an_event_but_never_an_error(line: bytes, data) -> None:
    start, stop = sorted(data.draw(st.tuples(*2 * [st.integers(0, len(line))])))
    for torn in (line[:start], line[start:stop], line[:start] + line[stop:]):
        try:
            read_event(torn)
        except NotAnEventError:
            continue
        except InvalidInput as error:
            assert "this archsearch reads version 1" in str(error)


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '"run"', '{"event":["run"],"at":1}', '{"event":null,"at":1}', "[" * 9999]
)
def test_what_is_no_object_with_a_kind_and_a_time_is_damaged(text: str) -> None:
    with pytest.raises(NotAnEventError):
        read_event(text.encode())


def test_unknown_kinds_are_left_alone() -> None:
    event = read_event(b'{"event":"tea","at":12.5,"sugar":null}')
    assert isinstance(event, UnknownEvent)
    assert event.at == 12.5


def test_the_journal_of_another_version_is_refused(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(line_of("run") | {"version": 2, "workers": "many"}) + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"journal.jsonl: version = 2; this archsearch reads version 1"):
        read_journal(path)
