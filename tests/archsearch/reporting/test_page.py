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
        assert f"archsearch export runs/quickstart#{winner.id} --format flax" in page.text
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


def test_the_page_says_who_dominates_a_reference(tmp_path, results):
    lfm2 = next(c for c in results.candidates if c.name == "lfm2")
    beaten = {name: value + (1e9 if name != "quality" else -9) for name, value in lfm2.objectives.items()}
    worse = replace(lfm2, objectives=beaten)
    changed = replace(results, candidates=tuple(worse if c is lfm2 else c for c in results.candidates))
    page = Page(write_report(changed, tmp_path / "report"))
    links = [a["href"] for tag, a in page.tags if tag == "a" and a["href"].startswith("#")]
    assert {f"#winner-{id}" for id in results.front} <= set(links)


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
        "<script>const head = document.querySelectorAll('#winners table.sortable th')[3];"
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
