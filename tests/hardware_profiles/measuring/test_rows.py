"""Rows of a calibration: a file that is read back, torn lines, other origins, the steadiest answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from genomes import InvalidInput
from hardware_profiles.cases import Case
from hardware_profiles.measuring.rows import UNKNOWN, CaseAnswer, Origin, Rows
from hardware_profiles.runtimes.table import JAX, LLAMA_CPP
from hardware_profiles.timing.stacks import PROTOCOL

CASES = [
    Case(operator="head", block={}, width=width, vocab_size=96, copies=1, context=16) for width in (8, 16)
]
ORIGIN = {"runtime": "jax-cpu", "version": "0.10", "threads": 2, "protocol": PROTOCOL}


def answer(case: Case, origin: dict[str, Any] | None = ORIGIN, **values: Any) -> CaseAnswer:
    fields = {"case": case.model_dump(mode="json"), **values} | ({"origin": origin} if origin else {})
    return CaseAnswer.read(fields)


def test_what_is_added_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "here.rows.jsonl"
    rows = Rows(path)
    assert rows.missing(CASES) == CASES and not path.exists()
    rows.add(answer(CASES[0], prefill_spread=0.9), JAX)
    rows.add(answer(CASES[1], error="out of memory"), JAX)
    again = Rows(path)
    assert again.answers() == rows.answers() and again.missing(CASES) == []
    assert again.unstable(CASES) == [CASES[0]]  # a case that failed fails again
    assert [each.error for each in again.answers(CASES[1:])] == ["out of memory"]


def test_a_steadier_answer_takes_the_place_and_the_time_of_the_first(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "here.rows.jsonl")
    for case, spread in ((CASES[0], 0.9), (CASES[1], 0.1), (CASES[0], 0.2), (CASES[1], 0.3)):
        rows.add(answer(case, decode_spread=spread), JAX)
    assert [(each.case, each.unrest) for each in rows.answers()] == [(CASES[1], 0.1), (CASES[0], 0.2)]
    assert len(rows.path.read_text(encoding="utf-8").splitlines()) == 4
    assert answer(CASES[0], other_load=0.4).unrest > 1e9


def test_rows_of_another_head_are_no_answer(tmp_path: Path) -> None:
    """Older rows of int4 were measured with the table of the logits in int4, and say nothing of it."""
    rows, case = Rows(tmp_path / "here.rows.jsonl"), CASES[0].model_copy(update={"weights": "int4"})
    older = case.model_dump(mode="json", exclude={"head"})
    rows.add(CaseAnswer.read({"case": older, "origin": ORIGIN}), JAX)
    assert rows.missing([case]) == []
    newer = case.model_copy(update={"head": "q6_k"})
    assert rows.missing([case, newer]) == [newer] and rows.answers([newer]) == []


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "here.rows.jsonl"
    Rows(path).add(answer(CASES[0]), JAX)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + whole[:30], encoding="utf-8")
    rows = Rows(path)
    assert rows.missing(CASES) == CASES[1:]
    assert path.read_text(encoding="utf-8") == whole + whole[:30], "reading changes nothing"
    rows.add(answer(CASES[1]), JAX)
    assert Rows(path).missing(CASES) == []
    assert path.read_text(encoding="utf-8").startswith(whole)


def test_a_file_that_is_none_of_rows_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "here.rows.jsonl"
    path.write_text("my thesis, in one line", encoding="utf-8")
    with pytest.raises(InvalidInput, match="line 1 is not a measured case"):
        Rows(path)
    assert path.read_text(encoding="utf-8") == "my thesis, in one line"


@pytest.mark.parametrize("line", ["no json", "3", "[]", '{"case": {}}', '{"case": null, "origin": "jax"}'])
def test_a_line_of_something_else_is_refused_by_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "here.rows.jsonl"
    path.write_text(json.dumps(answer(CASES[0]).values) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="line 2 is not a measured case; remove the file"):
        Rows(path)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            {"version": "0.11"},
            r"jax-cpu 0\.10 \(2 threads, .* and jax-cpu 0\.11 \(2 threads, .*, asked for jax",
        ),
        ({"threads": 4}, r"\(2 threads, .*\) and jax-cpu 0\.10 \(4 threads, .*\)"),
        ({"protocol": 1}, r"\(2 threads, protocol 1\) and .*never mixed"),
        ({"runtime": "llama.cpp-cpu"}, r"and llama\.cpp-cpu 0\.10"),
    ],
)
def test_rows_of_two_origins_are_never_mixed(tmp_path: Path, other: dict[str, Any], words: str) -> None:
    rows = Rows(tmp_path / "here.rows.jsonl")
    rows.add(answer(CASES[0]), JAX)
    with pytest.raises(InvalidInput, match=words):
        rows.add(answer(CASES[1], ORIGIN | other), JAX)
    assert Rows(rows.path).answers() == rows.answers()
    with pytest.raises(InvalidInput, match=r"asked for llama\.cpp"):
        rows.check_origin(LLAMA_CPP)


def test_older_rows_do_not_say_their_origin() -> None:
    assert answer(CASES[0], None).origin == UNKNOWN
    assert str(UNKNOWN) == "jax-cpu unknown (unknown threads, protocol 1)"
    assert answer(CASES[0]).origin == Origin("jax-cpu", "0.10", 2, PROTOCOL)


def test_rows_of_an_older_protocol_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "here.rows.jsonl"
    path.write_text(json.dumps(answer(CASES[0], None).values) + "\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"protocol 1\), asked for jax \(protocol 2\).*remove the file"):
        Rows(path).check_origin(JAX)
