"""The tables of a report: every number in full, odd text kept."""

import math
from dataclasses import replace

from archsearch.campaign.results import FinalTraining
from archsearch.reporting import facts
from archsearch.reporting.report import write_report
from support import report_cases as cases
from support.pages import csv_rows


def test_the_front_table_gives_the_numbers_back(report, results):
    table = csv_rows(report / "front.csv")
    names = [objective.name for objective in results.objectives]
    header = (report / "front.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("id,fingerprint,name,pattern,quality,")
    assert list(table[0])[4:] == [
        *names,
        "score[text]",
        "score[fuzzy-recall]",
        "parameters[proxy]",
        "parameters[target]",
        "quality.error",
        "final_quality",
        "final_quality.error",
        "final_quality.change",
        "final_score[text]",
        "final_score[text].spread",
        "final_score[fuzzy-recall]",
        "final_score[fuzzy-recall].spread",
        "final_failure",
    ]
    assert [row["id"] for row in table] == list(results.front)
    for row, winner in zip(table, facts.winners(results), strict=True):
        assert (row["fingerprint"], row["pattern"]) == (winner.fingerprint, winner.pattern)
        assert {name: float(row[name]) for name in names} == winner.objectives
        assert {name: float(row[name]) for name in winner.signals} == winner.signals
        assert int(row["parameters[target]"]) == winner.parameters["target"]
        assert winner.final is not None
        assert float(row["quality.error"]) == winner.quality_error
        assert float(row["final_quality"]) == winner.final.quality
        assert float(row["final_quality.change"]) == winner.final_change
        assert float(row["final_score[text]"]) == winner.final.scores["text"]


def test_the_candidate_table_has_everyone_and_their_intervals(report, results):
    table = csv_rows(report / "candidates.csv")
    assert [row["fingerprint"] for row in table] == [c.fingerprint for c in results.candidates]
    assert {row["status"] for row in table} == {"evaluated", "failed", "rejected"}
    assert [row["id"] for row in table if row["on_front"] == "true"] == [
        c.id for c in results.candidates if c.id in results.front
    ]
    name = cases.LATENCY.name
    for row, candidate in zip(table, results.candidates, strict=True):
        assert (float(row[f"{name}.low"]), float(row[f"{name}.high"])) == candidate.intervals[name]
        assert row["cause"] == (candidate.cause or "")
        assert row["genome"] == (candidate.genome or "")
        assert (row["quality"] == "") == ("quality" not in candidate.objectives)
    assert "quality.low" not in table[0]
    assert {row["name"] for row in table if row["breaks"]} == {c.name for c in results.candidates if c.breaks}


def test_older_results_keep_their_columns(tmp_path):
    run = cases.older()
    write_report(run, tmp_path / "report")
    for name in ("front.csv", "candidates.csv"):
        table = csv_rows(tmp_path / "report" / name)
        assert [column for column in table[0] if column.startswith(("final", "quality."))] == []
    assert "breaks" not in table[0]


def test_a_training_after_the_search_that_failed_says_why(tmp_path, results):
    first = results.candidate(results.front[0])
    failed = replace(first, final=FinalTraining("it diverged"))
    changed = replace(results, candidates=tuple(failed if c is first else c for c in results.candidates))
    write_report(changed, tmp_path / "report")
    row = csv_rows(tmp_path / "report" / "front.csv")[0]
    assert (row["id"], row["final_failure"], row["final_quality"]) == (first.id, "it diverged", "")


def test_the_trial_table_has_seconds_by_phase(report, results):
    table = csv_rows(report / "trials.csv")
    assert len(table) == len(results.trials)
    for row, trial in zip(table, results.trials, strict=True):
        assert float(row["learning_rate"]) == trial.learning_rate
        assert float(row["seconds[training]"]) == trial.result.seconds["training"]
        assert row["chosen"] == str(trial.chosen).lower()
        assert row["baseline"] == trial.result.baseline
        assert row["cause"] == (trial.result.cause or "")
    first = next(row for row in table if row["status"] == "ok")
    assert float(first["accuracy"]) == 0.1 + 0.2, "full precision"


def test_tables_follow_rfc_4180_and_keep_odd_text(tmp_path, results):
    odd = replace(results.candidates[0], cause='a "quoted", cause\nin two lines', status="failed")
    result = replace(results.trials[0].result, seconds={"waiting": 1.5}, loss=math.nan, score=None)
    trial = replace(results.trials[0], result=result)
    changed = replace(results, candidates=(odd,), front=(), trials=(trial,))
    write_report(changed, tmp_path / "report")
    raw = (tmp_path / "report" / "candidates.csv").read_bytes()
    assert raw.count(b"\r\n") == 2
    assert b'"a ""quoted"", cause\nin two lines"' in raw
    assert csv_rows(tmp_path / "report" / "candidates.csv")[0]["cause"] == odd.cause
    row = csv_rows(tmp_path / "report" / "trials.csv")[0]
    assert (row["seconds[waiting]"], row["loss"], row["score"]) == ("1.5", "nan", "")
