"""The page: self-contained, complete, safe from what people name things."""

import shutil
import subprocess
from dataclasses import replace

import pytest

from archsearch.reporting import facts
from archsearch.reporting.report import write_report
from support import report_cases as cases
from support.pages import Page

HOSTILE = '<script>alert("x")</script> $x_1$ & 日本'


def test_the_page_needs_nothing_from_outside(report):
    page = Page(report / "index.html")
    for tag, attributes in page.tags:
        if tag in ("link", "script", "img", "iframe", "image", "use"):
            assert "href" not in attributes and "src" not in attributes, (tag, attributes)
        for name in ("href", "src"):
            target = attributes.get(name) or ""
            assert "//" not in target, (tag, target)
            if tag == "a" and target and not target.startswith("#"):
                assert (report / target).is_file(), target
    text = (report / "index.html").read_text(encoding="utf-8")
    assert "@import" not in text and "url(" not in text
    assert any(a.get("http-equiv") == "Content-Security-Policy" for _, a in page.tags)


def test_the_page_names_winners_references_and_commands(report, results):
    page = Page(report / "index.html")
    for winner in facts.winners(results):
        assert winner.name in page.text and winner.pattern in page.text
        assert f"archsearch export 'runs/quickstart#{winner.id}' --format flax" in page.text
        assert ("tr", winner.id) in [
            (tag, (a.get("id") or "").removeprefix("winner-")) for tag, a in page.tags
        ]
    for name in results.references:
        assert name in page.text
    for words in ("training 75 %", "idle 2.7 %", "4 min 51 s", "measured profile", "spec-only profile"):
        assert words in page.text
    assert "unfinished" not in page.text
    assert "fastest of 4 matmul probes" in page.text and "preset: hybrid" in page.text
    assert all(a.get("aria-label") for tag, a in page.tags if a.get("role") == "img")


def test_the_page_says_what_stretching_made(tmp_path, report, results):
    page = Page(report / "index.html")
    assert "each block repeated in place" in page.text
    for winner in facts.winners(results):
        assert f"stretched for pricing: {results.stretched(winner)}" in page.text
    target = results.campaign["target"] | {"repeat": "stack"}
    stacked = replace(results, campaign=results.campaign | {"target": target})
    again = Page(write_report(stacked, tmp_path / "report"))
    assert "repeated in place" not in again.text and "stretched" not in again.text


def test_the_page_says_who_dominates_a_reference(tmp_path, results):
    lfm2 = next(c for c in results.candidates if c.name == "lfm2")
    dear = {name: value + (1e9 if name != "quality" else -9) for name, value in lfm2.objectives.items()}
    low = dict.fromkeys(lfm2.signals, -1.0)
    final = replace(lfm2.final, quality=-9.0, scores=dict.fromkeys(lfm2.final.scores, -1.0))
    worse = replace(lfm2, objectives=dear, signals=low, final=final)
    changed = replace(results, candidates=tuple(worse if c is lfm2 else c for c in results.candidates))
    page = Page(write_report(changed, tmp_path / "report"))
    links = [a["href"] for tag, a in page.tags if tag == "a" and a["href"].startswith("#")]
    assert {f"#winner-{id}" for id in results.front} <= set(links)
    assert "dominate lfm2" in page.text


def test_a_winner_ahead_within_noise_only_trades(tmp_path, results):
    """As good as equal in quality, cheaper in all: for Pareto that would be enough."""
    lfm2 = next(c for c in results.candidates if c.name == "lfm2")
    first = results.candidate(results.front[0])
    cheaper = {name: 0.5 * value for name, value in lfm2.objectives.items()}
    close = replace(
        first,
        objectives=cheaper | {"quality": lfm2.objectives["quality"] + 0.01},
        signals=lfm2.signals,
        final=lfm2.final,
    )
    changed = replace(results, candidates=(lfm2, close), front=(close.id,))
    page = Page(write_report(changed, tmp_path / "report"))
    assert "dominated by no winner: 1 trades with it" in page.text
    assert "No reference is dominated beyond noise" in page.text
    ahead = replace(close, final=replace(close.final, quality=close.final.quality + 9))
    changed = replace(changed, candidates=(lfm2, ahead))
    assert "It dominates lfm2" in Page(write_report(changed, tmp_path / "again")).text


def test_the_page_shows_what_quality_rests_on(tmp_path, results):
    """Baseline, noise, weights, shares, and the front judged again with fresh seeds."""
    idle = replace(results.tasks[1], weight=0.0, remark="the best reference scores 0.010")
    shown = replace(results, tasks=(results.tasks[0], idle), remarks=("fuzzy-recall has no weight.",))
    page = Page(write_report(shown, tmp_path / "report"))
    for words in (
        "bigram, 2.500 nats, accuracy 0.310",
        "0 of 0.5 asked",
        "no weight: the best reference scores 0.010",
        "fuzzy-recall has no weight.",
        "62 %",
        "1 lowest, 9 highest of 12",
        "trained again with 3 fresh seeds and judged on test",
        "winner.s curse",
        "at 180 steps",
        "max(reference std, noise)",
    ):
        assert words.replace(".s curse", "'s curse") in page.text, words
    older = Page(write_report(cases.older(), tmp_path / "older")).text
    assert "max(reference std, resolution)" in older
    assert "fresh seeds" not in older


def test_what_stopped_early_is_listed_with_its_steps_and_not_drawn(report, results):
    page = Page(report / "index.html")
    early = {c.id for c in facts.stopped_early(results)}
    assert early
    listed = {a["data-id"] for tag, a in page.tags if tag == "tr" and "data-id" in a}
    assert early <= listed
    drawn = {a["data-id"] for tag, a in page.tags if tag in ("circle", "polygon") and "data-id" in a}
    assert not early & drawn
    assert {c.id for c in results.candidates if facts.at_last_rung(c, results)} <= drawn


def test_a_reference_that_breaks_a_bound_is_marked(report, results):
    breaking = [c for c in results.candidates if c.breaks is not None]
    assert breaking and not {c.id for c in breaking} & set(results.front)
    text = Page(report / "index.html").text
    for c in breaking:
        assert f"breaks a bound: {c.breaks}" in text


def test_hostile_text_is_shown_not_run(tmp_path, results):
    first, *rest = results.candidates
    failed = replace(rest[-1], status="failed", cause=HOSTILE, rung=-1, pattern=f"x{HOSTILE}")
    named = replace(first, name=HOSTILE)
    campaign = results.campaign | {"name": HOSTILE}
    changed = replace(results, name="a b", campaign=campaign, environment={"x": HOSTILE})
    changed = replace(changed, candidates=(named, *rest[:-1], failed), front=(named.id,))
    path = write_report(changed, tmp_path / "report")
    page = Page(path)
    assert "<script>alert" not in path.read_text(encoding="utf-8")
    assert page.text.count('<script>alert("x")</script>') >= 5
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert f"'runs/a b#{named.id}'" in page.text


def chromium(url, folder, *options):
    program = shutil.which("chromium") or pytest.skip("chromium is not installed")
    quiet = [
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    command = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        *quiet,
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    command += [
        f"--user-data-dir={folder}",
        "--enable-logging=stderr",
        "--virtual-time-budget=2000",
        *options,
        url,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.slow
def test_the_page_opens_offline_in_a_browser(report, results, tmp_path):
    page = (report / "index.html").read_text(encoding="utf-8")
    done = chromium((report / "index.html").as_uri(), tmp_path / "plain", "--dump-dom")
    assert "CONSOLE" not in done.stderr
    assert all(id in done.stdout for id in results.front)

    click = (
        "<script>const head = [...document.querySelectorAll('#winners table.sortable th')]"
        ".find((heading) => heading.textContent.includes('latency'));"
        "head.querySelector('button').click(); console.error('sorted ' + head.getAttribute('aria-sort'));"
        "document.title = [...document.querySelectorAll('#winners table.sortable tbody tr')]"
        ".map((row) => row.dataset.id).join(' ');</script></body>"
    )
    sorting = tmp_path / "sorting.html"
    sorting.write_text(page.replace("</body>", click), encoding="utf-8")
    done = chromium(sorting.as_uri(), tmp_path / "sorted", "--dump-dom")
    assert "sorted ascending" in done.stderr, "console messages do reach this test"
    by_latency = sorted(facts.winners(results), key=lambda c: c.objectives[cases.LATENCY.name])
    assert f"<title>{' '.join(c.id for c in by_latency)}</title>" in done.stdout
