"""What a worker trains: the rates that go on, and what is known not again."""

from typing import Any

import pytest

from archsearch.evaluation.job import follow, heal


def trial(key: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"key": key, "known": known}


def outcome(loss: float | None) -> dict[str, Any]:
    return {"status": "failed" if loss is None else "ok", "validation_loss": loss}


def task(name: str, **known: dict[str, Any]) -> dict[str, Any]:
    """Three rates in two stages, and one further replicate."""

    def trials(place: str) -> list[dict[str, Any]]:
        keys = [f"{name}{place}{rate}" for rate in "abc"]
        return [trial(key, known.get(key)) for key in keys]

    return {"counts": [3, 1], "stages": [trials("0"), trials("1")], "replicates": [trials("r")]}


LOSSES = {"x0a": 3.0, "x0b": 1.0, "x0c": 2.0, "x1b": 0.5, "xrb": 0.6, "y0a": 1.0, "y0b": 2.0, "y0c": None}
LOSSES |= {"y1a": 0.9, "yra": 0.8}


def test_each_task_follows_its_own_rates() -> None:
    ran = []

    def run(each: dict[str, Any]) -> dict[str, Any]:
        ran.append(each["key"])
        return outcome(LOSSES[each["key"]])

    answer = follow([task("x"), task("y")], run)
    assert answer["asked"] == ran == ["x0a", "x0b", "x0c", "x1b", "xrb", "y0a", "y0b", "y0c", "y1a", "yra"]
    assert answer["results"] == {key: outcome(loss) for key, loss in LOSSES.items()}


def test_what_is_known_is_taken_and_not_run() -> None:
    known = {key: outcome(LOSSES[key]) for key in ("x0b", "x1b")}
    answer = follow([task("x", **known)], lambda each: outcome(LOSSES[each["key"]]))
    assert answer["asked"] == ["x0a", "x0b", "x0c", "x1b", "xrb"]
    assert list(answer["results"]) == ["x0a", "x0c", "xrb"]


@pytest.mark.parametrize("stage", [0, 1])
def test_where_every_rate_fails_no_replicate_is_trained(stage: int) -> None:
    answer = follow([task("x")], lambda each: outcome(None if int(each["key"][1]) >= stage else 1.0))
    assert answer["asked"] == ["x0a", "x0b", "x0c", "x1a", "x1b", "x1c"][: 3 * (stage + 1)]


def test_half_written_entries_of_the_compilation_cache_are_removed(tmp_path):
    for name in ("whole-cache", "whole-atime", "orphan-cache", "other.txt"):
        (tmp_path / name).write_bytes(b"12345678")
    heal(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} >= {"whole-cache", "whole-atime", "other.txt"}
    assert not (tmp_path / "orphan-cache").exists()
    heal(str(tmp_path / "none" / "at" / "all"))
    heal("/proc/none")
