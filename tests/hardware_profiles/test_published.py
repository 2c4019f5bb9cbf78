"""Published speeds of whole models: the shipped phone gives back their order, within a stated error."""

import json
import runpy
import sys

import pytest

from genomes import InvalidInput, model_names
from hardware_profiles import device, read_device
from hardware_profiles.fit_efficiencies import fit_efficiencies
from hardware_profiles.published import PHASES, Timing, compare, published, published_names
from hardware_profiles.roofline import rates
from hardware_profiles.workload import Workload
from support import ROOT

NAME = "lfm2-report-galaxy-s25"
BOUND = {"prefill": 0.22, "decode": 0.1}
"""Largest relative error of the tokens/s of the models that were not fitted."""
MEAN = {"prefill": 0.161, "decode": 0.06}
BENCHMARK = ROOT / "benchmarks" / "published_phones.py"

PUBLICATION = published(NAME)
TIMINGS = PUBLICATION.timings()
FITTED = [timing for timing in TIMINGS if timing.model == PUBLICATION.fitted]
OTHERS = [timing for timing in TIMINGS if timing.model != PUBLICATION.fitted]
PEAKS = device("galaxy-s25-cpu").model_copy(update={"calibration": "spec-only", "efficiency": None})


def column(phase, context):
    return [c for c in TIMINGS if c.phase == phase and c.workload.context == context]


def ranked(comparisons, rate):
    return [c.timing.model for c in sorted(comparisons, key=rate)]


def keeps_order(phone, phase, context):
    found = compare(phone, column(phase, context))
    return ranked(found, lambda c: c.tokens_per_s) == ranked(found, lambda c: c.timing.tokens_per_s)


# The figures


def test_publications_are_whole_and_sourced():
    assert NAME in published_names()
    for name in published_names():
        found = published(name)
        assert found.name == name
        assert {case.model for case in found.cases} <= set(model_names())
        assert all("arXiv" in case.source for case in found.cases)
        assert device(found.device).efficiency is not None
    with pytest.raises(InvalidInput, match=NAME):
        published("a-blog")


def test_a_timing_is_a_time():
    prefill, decode = FITTED[:2]
    assert (prefill.phase, prefill.workload.context) == ("prefill", 1024)
    assert prefill.latency_s == pytest.approx(1024 / 229)
    assert decode.latency_s == pytest.approx(1 / 54.6)
    assert prefill.workload == Workload(1024, dtype="float16", weights="int4", cache="float16", head="q6_k")


# The shipped profile


@pytest.mark.parametrize("context", [1024, 4096])
@pytest.mark.parametrize("phase", PHASES)
def test_the_order_of_the_models_is_given_back(phase, context):
    assert len(column(phase, context)) == 4
    assert keeps_order(device("galaxy-s25-cpu"), phase, context)


@pytest.mark.parametrize("phase", PHASES)
def test_other_models_are_within_the_stated_error(phase):
    errors = [abs(c.error) for c in compare(device("galaxy-s25-cpu"), OTHERS) if c.timing.phase == phase]
    assert len(errors) == 6
    assert max(errors) <= BOUND[phase]
    assert sum(errors) / len(errors) <= MEAN[phase]


def test_the_interval_holds_what_was_published():
    found = compare(device("galaxy-s25-cpu"), TIMINGS)
    assert all(c.inside for c in found)
    assert all(c.latency_s.high / c.latency_s.low < 1.45 for c in found)


def test_a_spec_only_profile_is_far_off():
    """What the fit is for: without it, prompts seem up to three times as fast as they are."""
    errors = [c.error for c in compare(PEAKS, OTHERS) if c.timing.phase == "prefill"]
    assert min(errors) > BOUND["prefill"] and max(errors) > 1.5


# The fit


def test_the_shipped_shares_are_those_of_the_fit():
    fit = fit_efficiencies(PEAKS, FITTED, OTHERS, runtime=PUBLICATION.runtime)
    assert fit == device("galaxy-s25-cpu")
    assert read_device(fit.to_dict()) == fit


def test_one_share_of_compute_turns_an_order_round():
    """LFM2-1.2B has more FLOPs a token than Llama-3.2-1B outside of attention scores, and is faster."""
    fit = fit_efficiencies(PEAKS, FITTED, OTHERS, runtime=PUBLICATION.runtime, context_apart=False)
    assert fit.efficiency.context is None
    assert not keeps_order(fit, "prefill", 1024)


def test_a_fit_recovers_the_shares_that_made_the_timings():
    phone = device("galaxy-s25-cpu")
    made = [
        Timing(c.timing.model, c.timing.phase, c.timing.workload, c.tokens_per_s, "made up")
        for c in compare(phone, TIMINGS)
    ]
    fit = fit_efficiencies(PEAKS, made[8:12], made[:8], runtime="none").efficiency
    assert fit.compute.value == pytest.approx(phone.efficiency.compute.value, rel=0.01)
    assert fit.context.value == pytest.approx(phone.efficiency.context.value, rel=0.01)
    assert fit.bandwidth.value == pytest.approx(phone.efficiency.bandwidth.value, rel=0.01)
    assert max(fit.prefill.slower, fit.prefill.faster, fit.decode.slower, fit.decode.faster) <= 1.01


def test_unusable_timings_are_refused():
    decode = [timing for timing in FITTED if timing.phase == "decode"]
    with pytest.raises(InvalidInput, match="fitted timings; expected prefill and decode"):
        fit_efficiencies(PEAKS, decode, OTHERS, runtime="none")
    other = Timing("lfm2-350m", "decode", Workload(dtype="float16", weights="int8"), 100, "made up")
    with pytest.raises(InvalidInput, match="several dtypes"):
        fit_efficiencies(PEAKS, FITTED, [*OTHERS, other], runtime="none")


def test_an_efficiency_and_its_calibration_belong_together():
    data = device("galaxy-s25-cpu").to_dict()
    with pytest.raises(InvalidInput, match="efficiency given"):
        read_device(data | {"calibration": "spec-only"})
    with pytest.raises(InvalidInput, match="efficiency missing"):
        read_device(data | {"efficiency": None})


def test_other_deployments_keep_a_wide_interval():
    """Shares of four-bit weights say little of sixteen-bit ones."""
    phone = device("galaxy-s25-cpu")
    for phase in PHASES:
        value, low, high = rates(phone, "float16", phase, weights="float16")
        near, near_low, near_high = rates(phone, "float16", phase, weights="int4")
        assert value == near
        assert low.bytes_per_s > near_low.bytes_per_s
        assert high.bytes_per_s < near_high.bytes_per_s


# The benchmark


def test_the_benchmark_writes_what_it_prints(tmp_path, monkeypatch, capsys):
    out = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", [str(BENCHMARK), "--out", str(out)])
    runpy.run_path(str(BENCHMARK), run_name="__main__")
    written = json.loads(out.read_text(encoding="utf-8"))[NAME]
    assert len(written["rows"]) == len(TIMINGS) == 16
    assert all(written["order_kept"].values()) and len(written["order_kept"]) == 4
    assert all(100 * BOUND[p] >= written["largest_error_percent"][p] for p in PHASES)
    shown = capsys.readouterr().out
    assert all(row["model"] in shown for row in written["rows"])
    kept = json.loads((BENCHMARK.parent / "results" / "published_phones.json").read_text(encoding="utf-8"))
    assert kept[NAME] == written
