"""Candidates that choose what they are stored in: priced, trained once judged so, reported, exported."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from archsearch.campaign.directory import load_run
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.journal import Journal, read_journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.standing import Standing
from archsearch.evaluation.evaluator import Evaluator
from archsearch.evidence.finalists import places
from archsearch.interchange.export import export
from archsearch.launch import Workers, resume, run
from genomes import (
    Architecture,
    InvalidInput,
    Scale,
    StoredChoices,
    crossover,
    homologous,
    load_architecture,
    mutate,
    parse_genome,
    parse_layout,
    preset,
    random_genome,
    repair,
    restructure,
)
from genomes.variation import duplicate
from hardware_profiles import Device, Workload, device, predict, read_device
from hardware_profiles.cases import Measured
from hardware_profiles.curves import fit_families
from hardware_profiles.measuring.grid import Grid, cases
from hardware_profiles.measuring.measure import measure
from hardware_profiles.measuring.remote import measure_on
from hardware_profiles.measuring.validate import validate
from support import GOLDEN, ROOT, campaigns

ONE = Workers("local", None, 1)
CHOICES: dict[str, Any] = {"weights": ("float32", "int8", "int4"), "cache": ("float32", "int8")}
TARGET = Scale(width=128, head_dim=32, blocks=8, vocab_size=512)
LAYOUT = "attention(kv=1/2) swiglu(4) short_conv(3) swiglu(4)"


def tiny(folder: Path) -> dict[str, Any]:
    """A campaign of seconds whose candidates choose."""
    data = campaigns.tiny(campaigns.text_folder(folder / "text"))
    data["space"] |= {what: list(dtypes) for what, dtypes in CHOICES.items()}
    data["objectives"] = [
        {"metric": "quality"},
        {"metric": "decode_latency_s", "device": "raspberry-pi-5", "context": 512},
        {"metric": "peak_memory_bytes", "device": "galaxy-s24-ultra-cpu", "context": 2048, "weights": "int8"},
        {"metric": "state_bytes", "context": 512},
    ]
    data["tasks"] = data["tasks"][1:]
    return data


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Campaign:
    folder = tmp_path_factory.mktemp("campaign")
    return campaigns.load(folder, tiny(folder))


@pytest.fixture(scope="module")
def base(campaign, tmp_path_factory) -> Path:
    """A whole run; nobody writes into it."""
    path = tmp_path_factory.mktemp("base") / "run"
    run(campaign, path, ONE)
    return path


def stored(text: str = LAYOUT, **types: str) -> Architecture:
    return replace(parse_layout(text), **types).at(TARGET)


def pricing(campaign: Campaign, **devices: Device) -> Pricing:
    known = {o.device: device(o.device) for o in campaign.objectives if o.device}
    return Pricing.of(campaign, known | devices)


# Without choices nothing changes


def test_spaces_without_choices_draw_as_they_did() -> None:
    """Texts of 0.1.0 as it was before there were choices."""
    space, rng = preset("hybrid").with_blocks(8, 4), np.random.default_rng(7)
    first, second = random_genome(space, rng), random_genome(space, rng)
    found = [first, second, *homologous(first, second, space, 2, rng), mutate(first, space, 0.3, rng)]
    changed = restructure(mutate(second, space, 0.3, rng), space, 1.0, rng)
    found += [repair(changed, space, rng).genome, duplicate(first, space, rng)]
    assert [space.text(genome) for genome in found] == [
        "72-73-41-71-12-73-62-31",
        "61-62-81-72-72-33-22",
        "72-73-41-72-73-62-31",
        "61-62-81-71-12-72-33-22",
        "62-73-41-73-12-73-62-31",
        "12-62-62-41-52-72-33-22",
        "72-73-41-71-71-12-73-62-31",
    ]
    assert int(rng.integers(10**6)) == 967828


def test_the_types_are_crossed_and_mutated_one_by_one() -> None:
    space = replace(preset("hybrid"), stored=StoredChoices(**CHOICES))
    first, second = (
        random_genome(space, np.random.default_rng(0)),
        random_genome(space, np.random.default_rng(1)),
    )
    first, second = (*first[:-2], 1, 1), (*second[:-2], 3, 2)
    pairs = [crossover(first, second, space, 2, np.random.default_rng(seed)) for seed in range(200)]
    tails = [(space.tail(one), space.tail(two)) for one, two in pairs]
    assert set(tails) == {((1, 1), (3, 2)), ((3, 2), (1, 1)), ((1, 2), (3, 1)), ((3, 1), (1, 2))}
    assert all(70 < sum(one[gene] == first[-2 + gene] for one, _ in tails) < 130 for gene in (0, 1))
    drawn = [space.tail(mutate(first, space, 0.3, np.random.default_rng(seed))) for seed in range(1000)]
    changed = sum(tail[0] != 1 for tail in drawn) / 1000
    assert abs(changed - 0.3 * 2 / 3) < 0.04


# Prices


def test_what_an_objective_leaves_open_is_the_candidates(campaign) -> None:
    costs = pricing(campaign).costs(stored(weights="int4", cache="int8"))
    latency, memory, state = list(costs.values())
    assert [name.partition("[")[0] for name in costs] == [
        "decode_latency_s",
        "peak_memory_bytes",
        "state_bytes",
    ]
    pi, galaxy = device("raspberry-pi-5"), device("galaxy-s24-ultra-cpu")
    bare = stored()
    assert latency == predict(bare, pi, Workload(512, weights="int4", cache="int8")).decode_latency_s
    assert memory == predict(bare, galaxy, Workload(2048, weights="int8", cache="int8")).peak_memory_bytes
    assert state.value == predict(bare, pi, Workload(512, cache="int8")).state_bytes
    labels = [o.label for o in pricing(campaign).objectives]
    assert "state at 512 tokens (as stored)" in labels


@pytest.mark.parametrize(
    "types", [{}, {"weights": "int4"}, {"cache": "int8"}, {"weights": "int8", "cache": "int8"}]
)
def test_predicting_takes_the_files_types_unless_told(types: dict[str, str]) -> None:
    pi, found = device("raspberry-pi-5"), stored(**types)
    assert predict(found, pi, Workload(64)) == predict(stored(), pi, Workload(64, **types))
    told = Workload(64, weights="float32", cache="float32")
    assert predict(found, pi, told) == predict(stored(), pi, told)


def calibrated(runtime: str) -> Device:
    """A profile with curves of float32 alone."""
    grid = Grid(widths=(256, 512), contexts=(64, 256), growing_contexts=(64, 1024))
    rows = [
        Measured(
            case=case,
            prefill_s=case.context * case.width * 1e-8,
            decode_s=case.width * 1e-7,
            prefill_spread=0.01,
            decode_spread=0.01,
            working_bytes=1e6,
            drift={"prefill": 1.0, "decode": 1.0},
        )
        for case in cases(grid, ["attention", "swiglu", "short_conv"])
    ]
    fitted = [family.model_dump(mode="json") for family in fit_families(rows)]
    provenance = {"runtime": runtime, "runtime_version": "0", "processor": "none", "threads": 1}
    provenance["date"] = "2026-01-01"
    changes = {"calibration": "calibrated", "families": fitted, "provenance": provenance}
    pace = {"prefill": 0.01, "decode": 0.01}
    return read_device(device("generic-x86-core").to_dict() | changes | {"yardstick_s": pace})


def test_types_without_curves_are_told_before_the_run(campaign, tmp_path) -> None:
    profile = tmp_path / "calibrated.yaml"
    profile.write_text(calibrated("jax-cpu").to_yaml(), encoding="utf-8")
    said: list[str] = []
    data = campaign.model_dump(mode="json")
    data["objectives"][1]["device"] = str(profile)
    data["finalists"] = {"count": 1}  # which nothing can measure: the run is refused right after
    with pytest.raises(InvalidInput, match="finalists"):
        run(campaigns.load(tmp_path, data), tmp_path / "run", ONE, say=said.append)
    assert not (tmp_path / "run").exists()
    types = [(w, c) for w in CHOICES["weights"] for c in CHOICES["cache"] if (w, c) != ("float32", "float32")]
    assert said == campaign.deeper_references() + [
        f"{profile} has no curves for float32 with weights {w} and cache {c}: candidates so stored are "
        "priced by the roofline"
        for w, c in types
    ]


def test_a_reference_that_a_runtime_does_not_run_is_named_not_its_types(campaign, tmp_path) -> None:
    profile = tmp_path / "calibrated.yaml"
    profile.write_text(calibrated("llama.cpp-cpu").to_yaml(), encoding="utf-8")
    data = campaign.model_dump(mode="json")
    data["objectives"][1]["device"] = str(profile)
    data["references"], data["target"]["blocks"] = ["mamba2-hybrid", "lfm2", "qwen3"], 8
    with pytest.raises(
        InvalidInput, match=r"^reference mamba2-hybrid: .* \(mamba2\) was not measured with llama.cpp"
    ):
        run(campaigns.load(tmp_path, data), tmp_path / "run", ONE)


def test_models_are_validated_in_one_type() -> None:
    models = [("one", stored(weights="int8")), ("two", stored())]
    with pytest.raises(InvalidInput, match="two is stored in float32 / float32, one in int8 / float32"):
        validate(device("generic-x86-core"), models)


def test_measuring_takes_the_files_types_unless_told(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="cache = 'int8'"):
        measure(stored(cache="int8"), Workload(16), processes=1)
    script = tmp_path / "says.py"
    script.write_text(
        "import json, sys\nfigure = dict.fromkeys(('p10', 'median', 'p90'), 1.0)\n"
        "names = ('prefill_latency_s', 'decode_latency_s', 'peak_memory_bytes')\n"
        "print(json.dumps({name: figure for name in names} | {'types': sys.argv[1:]}))\n"
    )
    command = [sys.executable, str(script), "{weights}", "{cache}", "{arch}"]
    told = device("raspberry-pi-5").model_copy(update={"measure_command": command})
    model = stored(weights="int4", cache="int8")
    for workload, types in (
        (Workload(16), ["int4", "int8"]),
        (Workload(16, weights="float32"), ["float32", "int8"]),
    ):
        assert measure_on(told, model, workload).to_dict()["types"][:2] == types


def test_finalists_are_measured_as_they_are_stored(campaign) -> None:
    latency, memory = places(pricing(campaign))
    found = stored(weights="int4", cache="float16")
    assert latency.of(found).workload.types == ("float32", "int4", "float16")
    assert memory.of(found).workload.types == ("float32", "int8", "float16")
    assert memory.of(stored()) == memory


# A campaign


def test_candidates_say_what_they_are_stored_in(base) -> None:
    results = load_run(base).results()
    searched = [c for c in results.candidates if c.origin == "searched"]
    assert searched and all(set(c.stored) == {"weights", "cache"} for c in searched)
    assert all(c.stored == {} for c in results.candidates if c.origin == "reference")
    assert len({tuple(c.stored.values()) for c in searched}) > 1
    for c in searched:
        layout = parse_layout(c.pattern)
        assert layout.stored == c.stored
        assert "/" in str(c.genome)
        folder = base / "candidates" / c.fingerprint
        for name in ("arch.json", "target.arch.json"):
            assert load_architecture(folder / name).stored == c.stored
        told = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert (told["weights"], told["cache"]) == (c.weights, c.cache)
    for table in ("front.csv", "candidates.csv"):
        with (base / "report" / table).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                known = results.candidate(row["id"]).stored
                assert (row["weights"], row["cache"]) == (known.get("weights", ""), known.get("cache", ""))
    page = (base / "report" / "index.html").read_text(encoding="utf-8")
    shown = [c for c in searched if c.id in results.front]
    assert all(f"stored in weights {c.weights}, cache {c.cache}" in page for c in shown)


@pytest.mark.slow
def test_the_same_campaign_gives_the_same_again(base, campaign, tmp_path) -> None:
    run(campaign, tmp_path / "again", Workers("local", None, 2))
    assert campaigns.outcome(tmp_path / "again") == campaigns.outcome(base)


def test_a_run_that_lost_its_end_finds_the_same(base, tmp_path) -> None:
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    lines = (copy / "journal.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (copy / "journal.jsonl").write_text("".join(lines[: len(lines) // 2]), encoding="utf-8")
    resume(copy, ONE)
    assert campaigns.outcome(copy) == campaigns.outcome(base)


def test_a_winner_keeps_its_types_when_exported(base, tmp_path) -> None:
    results = load_run(base).results()
    winner = next(c for c in results.candidates if c.origin == "searched" and c.rung == 1)
    out = export(f"{base}#{winner.id}", "spec", tmp_path / "spec")
    (file,) = out.glob("*.arch.json")
    assert load_architecture(file).stored == winner.stored
    assert f"| weights to be stored in | {winner.weights} |" in (out / "README.md").read_text(
        encoding="utf-8"
    )


def test_seeds_leave_out_what_is_stored(base, campaign, tmp_path) -> None:
    """So candidates that differ in nothing else are trained alike; their trials differ all the same."""
    standing = load_run(base).standing
    with Journal(tmp_path / "journal.jsonl") as journal:
        evaluator = Evaluator(campaign, tmp_path, standing, journal, SimpleNamespace(), None, lambda: None)
    record = next(iter(standing.ledger.candidates.values()))
    architectures = [parse_layout(text).at(campaign.proxy) for text in (LAYOUT, f"{LAYOUT} weights=int8")]
    evaluator.proxies = {a.fingerprint: a for a in architectures}
    bare, rounded = (
        [plan for task in evaluator.plans(replace(record, proxy=a.fingerprint), 0) for plan in task]
        for a in architectures
    )
    assert [plan.seed for plan in bare] == [plan.seed for plan in rounded]
    assert not {plan.key for plan in bare} & {plan.key for plan in rounded}


# What is written stays readable


def test_old_runs_have_no_types() -> None:
    for name in ("", "-finalists"):
        campaign = load_campaign(GOLDEN / f"campaign-v1{name}.yaml")
        assert not campaign.search_space.stored.genes
        ledger = Ledger(campaign)
        events, _ = read_journal(GOLDEN / f"journal-v1{name}.jsonl")
        for event in events:
            ledger.apply(event)
        assert {(c.weights, c.cache) for c in ledger.candidates.values()} == {(None, None)}


def test_a_golden_run_with_types() -> None:
    campaign = load_campaign(GOLDEN / "campaign-v1-stored.yaml")
    ledger = Ledger(campaign)
    events, damages = read_journal(GOLDEN / "journal-v1-stored.jsonl")
    assert not damages
    for event in events:
        ledger.apply(event)
    assert ledger.finished
    searched = [c for c in ledger.candidates.values() if c.origin == "searched"]
    for record in searched:
        layout = parse_layout(record.pattern)
        assert (layout.weights, layout.cache) == (record.weights, record.cache) != (None, None)
        assert campaign.search_space.decode(parse_genome(str(record.genome))) == layout
        assert layout.at(campaign.proxy).fingerprint == record.proxy
    assert any(Standing(ledger, ()).scores(record.proxy, 0) for record in searched)


# The example


@pytest.mark.slow
def test_the_example_runs(tmp_path) -> None:
    shrunk = [
        *(
            "proxy.width=32",
            "proxy.head_dim=8",
            "space.blocks=4",
            "search.population=3",
            "search.generations=2",
        ),
        *("budget.batch=4", "budget.rungs=[5,10]", "budget.learning_rates=[0.003,0.01]"),
        *("budget.evaluation_batches=1", "references=[lfm2,llama,qwen3]", "tasks=[{task: fuzzy-recall}]"),
    ]
    example = load_campaign(ROOT / "examples/quantised.yaml", shrunk)
    assert run(example, tmp_path / "run", ONE).front
