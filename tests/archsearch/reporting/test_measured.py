"""Finalists in the report: columns of the tables, the page, errors of predictions in words."""

from dataclasses import replace

from archsearch.campaign.directory import load_run
from archsearch.campaign.results import Summary
from archsearch.reporting import measured
from archsearch.reporting.report import write_report
from support import report_cases
from support.pages import Page, csv_rows


def test_what_was_measured_has_its_own_columns(measured_run):
    results = load_run(measured_run).results()
    for name in ("front.csv", "candidates.csv"):
        table = {row["id"]: row for row in csv_rows(measured_run / "report" / name)}
        added = [column for column in next(iter(table.values())) if column.startswith("measured_")]
        asked = [results.objectives[index].name for index in (1, 3)]
        assert added == [f"measured_{name}{end}" for name in asked for end in ("", ".p10", ".p90")]
        for identifier, row in table.items():
            expected = ["3.0", "2.7", "4.5"] * 2 if identifier in results.finalists else [""] * 6
            assert [row[column] for column in added] == expected


def test_the_page_compares_predicted_with_measured(measured_run):
    results = load_run(measured_run).results()
    page = Page(measured_run / "report" / "index.html")
    assert "Finalists, measured again" in page.text
    assert "In the median predictions were off by 100 % in decode latency on" in page.text
    assert "0 of 4 measured figures lie in the predicted interval" in page.text
    assert "not stable (processes 7.0 % apart)" in page.text
    assert "failed: device lies: prefill_latency_s = 1; expected" in page.text
    assert "Not measured: peak memory on raspberry-pi-5 at 1024 tokens; raspberry-pi-5 is not" in page.text
    assert len(measured.rows(results)) == 6


def test_the_errors_of_predictions_in_words(tmp_path):
    results = report_cases.build()
    latency, memory = results.objectives[1:]
    first, second, third = (results.candidate(i) for i in results.front[:3])

    def times(candidate, factor):
        value = factor * candidate.objectives[latency.name]
        return {latency.name: Summary(value, 0.9 * value, 1.1 * value, 0.03, True, True)}

    chosen = [
        replace(first, measured=times(first, 1.25)),
        replace(second, measured=times(second, 0.98)),
        replace(third, measured_failures={latency.name: "<b>killed</b>"}),
    ]
    others = [c for c in results.candidates if c.id not in {c.id for c in chosen}]
    shown = replace(
        results,
        candidates=(*chosen, *others),
        finalists=tuple(c.id for c in chosen),
        unmeasured={memory.name: "no command"},
    )
    assert [row.error for row in measured.rows(shown)] == ["\u221220.0 %", "+2.0 %", "\u2013"]
    assert measured.lead(shown).startswith(
        "In the median predictions were off by 11 % in decode latency on this"
    )
    assert "(at most 20 %). 1 of 2 measured figures lie in" in measured.lead(shown)
    page = write_report(shown, tmp_path / "report")
    assert "<b>killed" not in page.read_text("utf-8")
    assert "failed: <b>killed</b>" in Page(page).text
    assert "other programs ran meanwhile" in Page(page).text
    assert "Finalists" not in Page(write_report(results, tmp_path / "plain")).text
