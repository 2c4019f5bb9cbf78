"""The card: what was predicted, what was measured and what was trained stand apart."""

from dataclasses import replace
from typing import cast

import pytest

from archsearch.campaign.directory import LoadedRun
from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, FinalTraining, Results, Summary
from archsearch.interchange.card import card
from archsearch.interchange.source import Source, Trained
from genomes import parse_layout
from support import report_cases as cases


@pytest.fixture(scope="module")
def results() -> Results:
    return cases.build(6)


@pytest.fixture
def winner(results: Results) -> Candidate:
    return results.candidate("lfm2")


def source(candidate: Candidate, results: Results) -> Source:
    layout = parse_layout(candidate.pattern)
    target, proxy = layout.at(cases.TARGET), layout.at(cases.PROXY)
    run = cast(LoadedRun, None)  # a card needs no more of it than its results
    return Source("runs/quickstart#lfm2", target, Trained(run, results, candidate, proxy))


def sections(text: str) -> dict[str, list[list[str]]]:
    """The cells of the table below each heading, without the table's head."""
    tables: dict[str, list[list[str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
            tables[title] = []
        elif line.startswith("|"):
            tables[title].append([cell.strip() for cell in line.strip("|").split(" | ")])
    return {title: rows[2:] for title, rows in tables.items()}


def test_costs_are_predicted_with_interval_and_device(winner: Candidate, results: Results) -> None:
    rows = sections(card(source(winner, results)))["Predicted"]
    low, high = winner.intervals[cases.LATENCY.name]
    least, most = winner.intervals[cases.MEMORY.name]
    assert rows == [
        [
            "decode latency on this-machine at 4096 tokens (s)",
            f"{winner.objectives[cases.LATENCY.name]:.6g}",
            f"{low:.6g} to {high:.6g}",
            "this-machine, measured profile",
        ],
        [
            "peak memory on galaxy-s24-ultra-cpu at 32768 tokens (bytes)",
            f"{winner.objectives[cases.MEMORY.name]:.6g}",
            f"{least:.6g} to {most:.6g}",
            f"galaxy-s24-ultra-cpu, {results.devices['galaxy-s24-ultra-cpu']['calibration']} profile",
        ],
    ]


def test_scores_stand_with_their_baseline_noise_and_what_fresh_seeds_made_of_them(
    winner: Candidate, results: Results
) -> None:
    assert winner.final is not None and winner.final.quality is not None
    text = card(source(winner, results))
    rows = sections(text)[f"Trained as a proxy for {results.rungs[winner.rung]} steps"]
    assert rows[0] == [
        "text",
        f"{winner.signals['score[text]']:.6g}",
        f"{winner.final.scores['text']:.6g}",
        "bigram, 2.500 nats, accuracy 0.310",
        "0.012",
    ]
    during, after = winner.objectives["quality"], winner.final.quality
    assert rows[2][0] == cases.QUALITY.label
    assert rows[2][1:3] == [
        f"{during:.6g} ± {winner.quality_error:.2g}",
        f"{after:.6g} ± {winner.final.quality_error:.2g}",
    ]
    assert "3 fresh seeds were judged on test" in text
    failed = replace(winner, final=FinalTraining("it | diverged"))
    assert r"The training after the search failed: it \| diverged." in card(source(failed, results))


def test_scores_of_an_older_run_stand_alone() -> None:
    old = cases.older()
    winner = old.candidate("lfm2")
    rows = sections(card(source(winner, old)))[f"Trained as a proxy for {old.rungs[winner.rung]} steps"]
    assert [row[0] for row in rows] == ["text", "fuzzy-recall", cases.QUALITY.label]
    scores = (*winner.signals.values(), winner.objectives["quality"])
    assert [row[1:] for row in rows] == [[f"{score:.6g}"] for score in scores]


def test_only_a_finalist_has_a_table_of_what_was_measured(winner: Candidate, results: Results) -> None:
    assert "Measured" not in sections(card(source(winner, results)))
    finalist = replace(
        winner,
        measured={cases.LATENCY.name: Summary(median=0.125, p10=0.12, p90=0.14)},
        measured_failures={cases.MEMORY.name: "adb | timeout"},
    )
    rows = sections(card(source(finalist, results)))["Measured"]
    assert rows == [
        ["decode latency on this-machine at 4096 tokens (s)", "0.125", "0.12 to 0.14"],
        ["peak memory on galaxy-s24-ultra-cpu at 32768 tokens (bytes)", "failed", r"adb \| timeout"],
    ]


def test_what_is_exact_says_so_and_needs_no_device(winner: Candidate, results: Results) -> None:
    state = Objective("state_bytes", "min", context=4096)
    priced = replace(winner, objectives=winner.objectives | {state.name: 1024.0})
    widened = replace(results, objectives=(*results.objectives, state))
    row = sections(card(source(priced, widened)))["Predicted"][-1]
    assert row == ["state at 4096 tokens (float32) (bytes)", "1024", "exact", ""]


def test_a_stretched_layout_says_what_came_out(winner: Candidate, results: Results) -> None:
    text = card(source(winner, results))
    assert "each repeated in place: `short_conv(3) x4, swiglu(4) x4, short_conv(3) x4, swiglu(4) x4" in text
    target = results.campaign["target"] | {"repeat": "stack"}
    stacked = replace(results, campaign=results.campaign | {"target": target})
    assert "repeated in place" not in card(source(winner, stacked))


def test_an_architecture_file_was_neither_predicted_nor_trained() -> None:
    architecture = parse_layout("short_conv(3) swiglu(4)").at(cases.PROXY)
    text = card(Source("my.arch.json", architecture))
    assert list(sections(text)) == [architecture.name, "Blocks"]
    assert "Exported by archsearch from `my.arch.json`." in text


def test_the_card_of_an_export_with_weights_says_how_to_load_them(
    winner: Candidate, results: Results
) -> None:
    exported = source(winner, results)
    assert "load_weights" in card(exported, with_weights=True)
    assert "load_weights" not in card(exported)
