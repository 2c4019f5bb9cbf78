"""Benchmarks run and say what their readers need; never how fast anything is."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genomes import Loader, accounting
from hardware_profiles.runtimes.llama_cpp.classes import gguf_class
from hardware_profiles.runtimes.onnx_runtime.model import check_runs
from support import ROOT

BENCHMARK = ROOT / "benchmarks" / "proxy_throughput.py"


@pytest.mark.slow
def test_a_shrunk_throughput_run_finds_the_same_models_and_writes_its_rows(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "rows.json"
    options = ["--widths", "16", "--lengths", "32", "--seconds", "0", "--no-compile", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *options], capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stderr
    written = json.loads(out.read_text(encoding="utf-8"))
    assert {"cpu", "threads", "jax", "torch", "cxx", "tokens_a_step"} <= written.keys()
    assert len({row["case"] for row in written["rows"]}) == len(written["rows"]) == 8
    for row in written["rows"]:
        assert (row["width"], row["length"], row["batch"]) == (16, 32, 64)
        for key in ("tokens_per_s", "peer_tokens_per_s", "ratio", "peer_eager_tokens_per_s", "compile_s"):
            assert math.isfinite(row[key])
            assert row[key] > 0
        assert row["rounds"] >= 3
        assert row["p10_p90"].keys() == {"ours", "eager"}


@pytest.mark.parametrize("runtimes", [(), ("llama.cpp",)])
def test_held_out_models_are_drawn_by_the_seed_and_run_by_the_runtime(
    runtimes: tuple[Loader, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    from latency_accuracy import LARGEST, SMALLEST, held_out

    presets = ["lfm2", "nemotron-h"] if runtimes else ["hybrid", "everything"]
    models = held_out(6, presets, 0, runtimes)
    assert models == held_out(6, presets, 0, runtimes) != held_out(6, presets, 1, runtimes)
    for name, architecture in models:
        assert name.startswith(tuple(presets))
        assert SMALLEST <= accounting.parameters(architecture) <= LARGEST
        if runtimes:
            assert gguf_class(architecture).name in ("qwen3", "lfm2", "nemotron_h")


def test_held_out_models_pass_the_check_of_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    from latency_accuracy import held_out

    models = held_out(4, ["hybrid", "everything"], 0, check=check_runs)
    assert [name.split("-")[0] for name, _ in models] == ["hybrid", "everything"] * 2
    for _, architecture in models:
        check_runs(architecture)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["jax", "llama.cpp"])
def test_a_shrunk_look_at_the_cache_writes_its_rows(runtime: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    options = ["--runtime", runtime, "--widths", "256", "--layers", "1", "2", "--out", str(out)]
    benchmark = BENCHMARK.with_name("decode_from_cache.py")
    done = subprocess.run(
        [sys.executable, str(benchmark), *options], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [row["layers"] for row in rows] == [1, 2]
    for row in rows:
        assert row["left"] == row["seconds"] / row["flushed_seconds"] > 0
        assert 0 < row["modelled"] <= 1


def test_a_shrunk_look_at_the_driver_adds_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    import driver_scale

    out = tmp_path / "rows.json"
    out.write_text('{"before": []}', encoding="utf-8")
    options = ["--candidates", "12", "--population", "6", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["driver_scale.py", *options])
    driver_scale.main()
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["before"] == []
    (row,) = written["rows"]
    assert row["candidates"] >= 12 + 3
    assert row["evaluated"] == row["candidates"], "no bound rejects, no trial fails"
    assert row["parts_ms"].keys() == set(driver_scale.PARTS)
    assert sum(row["parts_ms"].values()) == pytest.approx(row["driver_ms"], rel=0.01, abs=0.01)
    assert 0 < row["front"] <= row["candidates"]


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["attention", "convolution", "mamba2", "gated_deltanet"])
def test_the_best_learning_rate_at_four_times_the_width_is_at_most_one_step_away(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    from learning_rates import STACKS, losses

    rates = (1e-3, 4e-3, 1.6e-2, 6.4e-2)
    best = [int(np.argmin(losses(STACKS[stack], width, rates, steps=40, seeds=1))) for width in (64, 256)]
    assert abs(best[0] - best[1]) <= 1
    assert 0 < best[0] < len(rates) - 1


def test_the_order_of_blocks_costs_what_its_losses_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARK.parent)
    from fairness import order_cost

    before, after = {"loss": {"50": [2.0, 2.2]}}, {"loss": {"50": [2.5, 2.7]}}
    nats, deviations = order_cost(before, after, "50")
    assert nats == pytest.approx(0.5)
    assert deviations == pytest.approx(0.5 / 0.02**0.5)
