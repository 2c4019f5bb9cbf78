"""The report: tables, pictures and page, from complete runs to empty ones."""

import csv
import math
import shutil
import subprocess
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from matplotlib.image import imread

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Summary
from archsearch.reporting import facts, measured
from archsearch.reporting.charts.axes import objective_axis
from archsearch.reporting.charts.drawing import Mark, Text, text_width
from archsearch.reporting.charts.front import objective_pairs, staircase
from archsearch.reporting.charts.labels import Wanted, place
from archsearch.reporting.charts.palette import COLOURS, KINDS
from archsearch.reporting.charts.pictures import all_pictures
from archsearch.reporting.charts.strips import cells
from archsearch.reporting.columns import columns
from archsearch.reporting.page import lead
from archsearch.reporting.report import write_report
from archsearch.reporting.units import duration, percent, quantity, rate, style_for
from support import report_cases as cases
from support.pages import Page

HOSTILE = '<script>alert("x")</script> $x_1$ & 日本'


@pytest.fixture(scope="module")
def results():
    return cases.build()


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    return write_report(results, tmp_path_factory.mktemp("run") / "report").parent


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Tables


def test_the_front_table_gives_the_numbers_back(report, results):
    table = rows(report / "front.csv")
    names = [objective.name for objective in results.objectives]
    header = (report / "front.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("id,fingerprint,name,pattern,quality,")
    assert list(table[0])[4:] == [
        *names,
        "score[text]",
        "score[fuzzy-recall]",
        "parameters[proxy]",
        "parameters[target]",
    ]
    assert [row["id"] for row in table] == list(results.front)
    for row, winner in zip(table, facts.winners(results), strict=True):
        assert (row["fingerprint"], row["pattern"]) == (winner.fingerprint, winner.pattern)
        assert {name: float(row[name]) for name in names} == winner.objectives
        assert {name: float(row[name]) for name in winner.signals} == winner.signals
        assert int(row["parameters[target]"]) == winner.parameters["target"]


def test_the_candidate_table_has_everyone_and_their_intervals(report, results):
    table = rows(report / "candidates.csv")
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


def test_the_trial_table_has_seconds_by_phase(report, results):
    table = rows(report / "trials.csv")
    assert len(table) == len(results.trials)
    for row, trial in zip(table, results.trials, strict=True):
        assert float(row["learning_rate"]) == trial.learning_rate
        assert float(row["seconds[training]"]) == trial.result.seconds["training"]
        assert row["chosen"] == str(trial.chosen).lower()
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
    assert rows(tmp_path / "report" / "candidates.csv")[0]["cause"] == odd.cause
    row = rows(tmp_path / "report" / "trials.csv")[0]
    assert (row["seconds[waiting]"], row["loss"], row["score"]) == ("1.5", "nan", "")


# Pictures


def test_a_picture_for_every_pair_and_two_more(report):
    names = {path.name for path in report.glob("*.png")}
    assert names == {
        "front-quality-decode_latency_s.png",
        "front-quality-peak_memory_bytes.png",
        "front-decode_latency_s-peak_memory_bytes.png",
        "hypervolume.png",
        "patterns.png",
    }
    for name in names:
        height, width = imread(report / name).shape[:2]
        assert 900 < width < 6000 and 500 < height < 6000, name
        assert imread(report / name)[..., :3].std() > 0.02, f"{name} is blank"


def test_two_objectives_of_one_metric_have_their_own_pictures(results):
    other = replace(cases.LATENCY, device="raspberry-pi-5", context=1024)
    slugs = [p.slug for p in all_pictures(replace(results, objectives=(*results.objectives, other)))]
    assert len(set(slugs)) == len(slugs) == 6 + 2
    assert "front-decode_latency_s-this-machine-4096-1-float32-peak_memory_bytes" in slugs


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_the_staircase_bounds_what_the_front_dominates(right, up):
    sx, sy = (1 if right else -1), (1 if up else -1)
    best = [(3 * sx, 1 * sy), (2 * sx, 2 * sy), (1 * sx, 3 * sy)]
    line = staircase([best[1], best[2], (1 * sx, 1 * sy), best[0]], right, up)
    assert line == [best[0], (2 * sx, 1 * sy), best[1], (1 * sx, 2 * sy), best[2]]
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(line))
    for x, y in line:
        assert not any(x * sx < px * sx and y * sy < py * sy for px, py in best)


def test_what_is_maximised_stands_upright(results):
    pairs = [(x.name, y.name) for x, y in objective_pairs(results)]
    assert pairs == [
        (cases.LATENCY.name, "quality"),
        (cases.MEMORY.name, "quality"),
        (cases.MEMORY.name, cases.LATENCY.name),
    ]
    turned = replace(results, objectives=results.objectives[::-1])
    assert objective_pairs(turned)[1][1].name == "quality"


def test_axes_name_unit_and_direction_and_are_logarithmic_past_a_decade():
    axis = objective_axis(cases.LATENCY, [0.08, 0.16])
    assert axis.title == "decode latency on this-machine at 4096 tokens (ms)  ← better"
    assert not axis.log and ("100" in dict(axis.ticks).values() or len(axis.ticks) > 3)
    wide = objective_axis(cases.MEMORY, [2e8, 9e9])
    assert wide.log and "(GB)" in wide.title
    assert wide.fraction(2e8) == pytest.approx(1 - wide.fraction(9e9))
    assert objective_axis(cases.QUALITY, [-1.0, 30.0]).log is False
    diverged = objective_axis(cases.QUALITY, [0.0, 1.0], [-0.3, -80.0])
    assert -1.0 < diverged.low < -0.3, "one that diverged does not squeeze the rest"
    assert objective_axis(cases.QUALITY, [2.0]).fraction(2.0) == pytest.approx(0.5)
    assert objective_axis(cases.QUALITY, []).ticks == ()


def left(text):
    width = text_width(text.text, text.size, text.mono)
    return text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]


def test_labels_do_not_overlap():
    marks = [Mark(100 + 9 * (i % 5), 100 + 9 * (i // 5), 4, "front", id=str(i)) for i in range(15)]
    wanted = [Wanted(mark, "abcdef01", mono=True) for mark in marks]
    texts = [item for item in place(wanted, (0, 0, 300, 300), [], []) if isinstance(item, Text)]
    assert 4 <= len(texts) <= 15
    for a, b in combinations(texts, 2):
        assert abs(a.y - b.y) >= 9 or abs(left(a) - left(b)) >= text_width(a.text, a.size, mono=True)


def test_strips_say_operator_and_what_differs(results):
    lfm2 = next(c for c in results.candidates if c.name == "lfm2")
    assert [cell.label for cell in cells(lfm2)][:6] == [
        "conv 3",
        "ffn 4",
        "conv 3",
        "ffn 4",
        "attn ¼",
        "ffn 4",
    ]
    assert [cell.role for cell in cells(lfm2)] == list(lfm2.kinds)
    pattern = (
        "attention(kv=1/4,window=16,rope=no) mamba2(state=1) swiglu(8/3) skip rg_lru mlp(4,relu2=yes) "
        "attention(kv=1/4,window=16,rope=no,weights=@0,cache=@0) attention-attention s5-short_conv(3)"
    )
    assert [cell.label for cell in cells(replace(lfm2, pattern=pattern))] == [
        "attn ¼ w16 nope",
        "mamba2 s1",
        "ffn 8/3",
        "skip",
        "rg-lru",
        "mlp 4 relu²",
        "attn ¼ w16 nope w@0 c@0",
        "Δattn",
        "s5-conv",
    ]
    gone = replace(lfm2, pattern="warp_drive(1/2, x=3) swiglu(4)", kinds=("recurrence", "memoryless"))
    assert [(cell.operator, cell.role) for cell in cells(gone)] == [
        ("warp_dr…", "recurrence"),
        ("ffn", "memoryless"),
    ]


def contrast(a, b):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("paper", ["light", "dark"])
def test_text_can_be_read_on_its_colour(paper):
    def colour(role):
        return getattr(COLOURS[role], paper)

    for role in ("ink", "muted", "front"):
        assert contrast(colour(role), colour("paper")) >= 4.5, role
    for kind in KINDS:
        assert contrast(colour(kind), colour(f"on-{kind}")) >= (2.5 if kind == "skip" else 4.3), kind


def test_numbers_for_people():
    assert quantity(0.00123, "s") == "1.23 ms"
    assert quantity(1.742e9, "bytes") == "1.74 GB"
    assert quantity(-0.25, "") == "\u22120.250"
    assert quantity(math.nan, "s") == quantity(None, "s") == "\u2013"
    assert style_for("bytes", [9.1e8, 1.1e9, 4e9]).unit.symbol == "GB"
    assert rate(1.536e11, "FLOP/s") == "153.6 GFLOP/s"
    assert [duration(s) for s in (4.25, 303, 7620)] == ["4.25 s", "5 min 03 s", "2 h 07 min"]
    assert [percent(s) for s in (0.754, 0.0123, 0.0)] == ["75 %", "1.2 %", "0 %"]


# Page


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


def test_dominance_needs_every_objective(results):
    a, b = results.candidates[0], results.candidates[1]
    better = replace(a, objectives={"quality": 1.0, cases.LATENCY.name: 1.0})
    equal = replace(b, objectives={"quality": 1.0, cases.LATENCY.name: 1.0})
    two = results.objectives[:2]
    assert not facts.dominates(better, equal, two) and not facts.dominates(equal, better, two)
    assert facts.dominates(replace(better, objectives={"quality": 1.1, cases.LATENCY.name: 1.0}), equal, two)
    assert not facts.dominates(
        replace(better, objectives={"quality": math.nan, cases.LATENCY.name: 0.5}), equal, two
    )
    assert not facts.dominates(replace(better, objectives={"quality": 2.0}), equal, two)


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


def test_failures_are_grouped_by_cause(results):
    groups = facts.failure_groups(results)
    not_finite = [g for g in groups if g.what == "candidate failed" and "not finite" in g.cause]
    assert len(not_finite) == 1, "steps differ, the cause is one"
    assert sum(len(g.ids) for g in groups if g.what != "trial failed") == sum(
        c.status != "evaluated" for c in results.candidates
    )


# Edges


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
    assert len(rows(path.parent / "front.csv")) == len(run.front)
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
    column = columns([winner], run)[1]
    assert column.heading.startswith("decode latency (")
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
    assert len(rows(out / "front.csv")) == len(results.front)
    assert [path.name for path in out.parent.iterdir()] == ["report"]


# In a browser


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
