"""Reports of every state of a run, from complete ones to empty ones, written as whole files."""

import math
from dataclasses import replace

import pytest
from matplotlib.image import imread

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Summary
from archsearch.reporting import facts, measured
from archsearch.reporting.charts.pictures import all_pictures
from archsearch.reporting.columns import columns
from archsearch.reporting.page import lead
from archsearch.reporting.report import write_report
from support import report_cases as cases
from support.pages import Page, csv_rows


class InJoules(Objective):
    unit = "J"


ENERGY = InJoules("decode_latency_s", "min", device="this-machine", context=4096)


def only_failures():
    run = cases.build(8)
    failed = [
        replace(c, status="failed", cause=None, rung=-1, objectives={}, intervals={}, signals={})
        for c in run.candidates
    ]
    return replace(run, candidates=tuple(failed), front=(), trials=(), history=())


def first_rung_only():
    run = cases.build(8, finished=False)
    return replace(run, candidates=tuple(replace(c, rung=min(c.rung, 0)) for c in run.candidates), front=())


def not_numbers():
    run = cases.build(8)
    odd = replace(
        run.candidates[-1],
        status="evaluated",
        rung=1,
        objectives={"quality": math.nan, cases.LATENCY.name: math.inf},
    )
    return replace(run, candidates=(*run.candidates[:-1], odd))


def bare_facts():
    run = cases.build(3)
    return replace(
        run, campaign={}, environment={}, devices={}, worker_time={"idle": 0.0}, reference_point=None
    )


EDGES = {
    "unfinished": lambda: cases.build(12, finished=False),
    "nothing judged": cases.empty,
    "no front": lambda: replace(cases.build(12), front=()),
    "only failures": only_failures,
    "first rung only": first_rung_only,
    "no references": lambda: replace(
        cases.build(9),
        references=(),
        candidates=tuple(c for c in cases.build(9).candidates if c.origin == "searched"),
        front=(),
    ),
    "one winner": lambda: replace(cases.build(12), front=cases.build(12).front[:1]),
    "not numbers": not_numbers,
    "bare": bare_facts,
    "two objectives": lambda: cases.build(12, objectives=cases.OBJECTIVES[:2]),
    "no rungs": lambda: replace(cases.empty(), rungs=(), references=()),
    "unknown unit": lambda: cases.build(
        6,
        objectives=(
            cases.QUALITY,
            ENERGY,
        ),
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_every_state_of_a_run_has_a_report(edge, tmp_path):
    run = EDGES[edge]()
    path = write_report(run, tmp_path / "report")
    assert path == tmp_path / "report" / "index.html"
    page = Page(path)
    assert ("This run is unfinished" in page.text) == (not run.finished)
    pairs = len(run.objectives) * (len(run.objectives) - 1) // 2
    assert len(list(path.parent.glob("front-*.png"))) == pairs
    assert len(csv_rows(path.parent / "front.csv")) == len(run.front)
    if not run.front:
        assert "No candidate is on the front yet" in page.text


def test_one_objective_has_no_pairs(tmp_path):
    run = cases.build(12, objectives=(Objective("quality", "max"),))
    path = write_report(run, tmp_path / "report")
    assert not list(path.parent.glob("front-*.png"))
    assert "one objective" in Page(path).text


@pytest.mark.parametrize("name", ["a on b", "x at y, z", "p against q", "r[1,2", "this-machine,4096"])
def test_a_device_may_be_called_anything(tmp_path, name):
    """What an objective says of itself comes from its parts, never from the text of its name or label."""
    latency = replace(cases.LATENCY, device=name)
    run = cases.build(12, objectives=(cases.QUALITY, latency, cases.MEMORY))
    run = replace(run, devices={name: run.devices["this-machine"]})
    winner = run.candidates[0]
    summary = Summary(median=0.1, p10=0.1, p90=0.1)
    winner = replace(winner, measured={latency.name: summary})
    run = replace(run, candidates=(winner, *run.candidates[1:]), finalists=(winner.id,))
    assert latency.label == f"decode latency on {name} at 4096 tokens"
    assert (latency.figure, latency.place) == ("decode latency", f"on {name}")
    (row,) = measured.rows(run)
    assert row.figure.startswith("decode latency (") and row.where == f"on {name} at 4096 tokens"
    (column,) = (each for each in columns([winner], run) if each.heading.startswith("decode latency ("))
    assert column.note == f"on {name} at 4096 tokens, measured profile"
    assert f"decode latency on {name}" in lead(run)
    pictures = {picture.title for picture in all_pictures(run)}
    assert f"{cases.QUALITY.label} against decode latency on {name}" in pictures
    page = Page(write_report(run, tmp_path / "report"))
    assert f"decode latency on {name} at 4096 tokens" in page.text


@pytest.mark.slow
def test_hundreds_of_candidates(tmp_path):
    run = cases.build(220, seed=1)
    run = replace(run, front=tuple(c.id for c in run.candidates if facts.at_last_rung(c, run)))
    assert len(run.front) > 60
    page = Page(write_report(run, tmp_path / "report"))
    assert all(id in page.text for id in run.front)
    assert "without room for a label" in page.text
    assert imread(tmp_path / "report" / "patterns.png").shape[0] < 6000


def test_a_report_is_written_again_without_leftovers(tmp_path, results):
    out = tmp_path / "run" / "report"
    first = write_report(cases.build(6, finished=False), out).read_text(encoding="utf-8")
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    second = write_report(results, out).read_text(encoding="utf-8")
    assert "run is unfinished" in first and "run is unfinished" not in second
    assert [path.name for path in out.parent.iterdir()] == ["report"]
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert write_report(results, out).read_text(encoding="utf-8") == second, "same results, same page"


def test_a_report_that_fails_leaves_the_old_one(tmp_path, results, monkeypatch):
    out = tmp_path / "run" / "report"
    before = write_report(results, out).read_text(encoding="utf-8")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("archsearch.reporting.report.write_pictures", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(cases.empty(), out)
    assert (out / "index.html").read_text(encoding="utf-8") == before
    assert len(csv_rows(out / "front.csv")) == len(results.front)
    assert [path.name for path in out.parent.iterdir()] == ["report"]
