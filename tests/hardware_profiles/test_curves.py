"""Measured curves: fitted, interpolated, priced, judged against whole models."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import Architecture, InvalidInput, Scale, Skip, parse_layout
from genomes.accounting import parameters
from hardware_profiles import Device, Figure, Workload, device, predict, read_device
from hardware_profiles.calibrated import held
from hardware_profiles.cases import HEAD, Case, Measured
from hardware_profiles.cost import price
from hardware_profiles.curves import Family, fit_families
from hardware_profiles.measuring.grid import GRIDS, Grid, cases
from hardware_profiles.runtimes.table import JAX
from hardware_profiles.terms import terms, terms_of
from hardware_profiles.validation import Validation, errors
from hardware_profiles.work import weight_and_state_bytes, weight_bytes
from hardware_profiles.workload import FIGURES

SMALL = Grid(widths=(256, 512), contexts=(64, 256), growing_contexts=(64, 1024))
TRUTH = {
    "prefill": {"runs": 1e-4, "dense_flops": 1e-11, "context_flops": 3e-11, "row_bytes": 1e-10},
    "decode": {"runs": 1e-5, "weight_bytes": 6e-11, "state_bytes": 9e-11},
    "working": {"stream_bytes": 3.0, "row_bytes": 1.5, "logit_bytes": 1.0},
}


def true_amount(quantity: str, block, width: int, vocab_size: int, workload: Workload) -> float:
    found = terms(quantity, block, width, vocab_size, workload)
    return sum(value * found.get(name, 0.0) for name, value in TRUTH[quantity].items())


def measured(case: Case, drift: float = 1.0) -> Measured:
    block = None if case.operator == HEAD else parse_block(case)
    workload = Workload(context=case.context)
    amounts = {q: true_amount(q, block, case.width, case.vocab_size, workload) for q in TRUTH}
    return Measured(
        case=case,
        prefill_s=drift * amounts["prefill"],
        decode_s=drift * amounts["decode"],
        prefill_spread=0.01,
        decode_spread=0.01,
        working_bytes=amounts["working"],
        drift={"prefill": drift, "decode": drift},
    )


def parse_block(case: Case):
    from genomes.operators import read_operator

    return read_operator(case.block, case.width, "case")


@pytest.fixture(scope="module")
def calibrated() -> Device:
    rng = np.random.default_rng(0)
    rows = [measured(case, float(rng.uniform(0.8, 1.3))) for case in cases(SMALL, JAX.layouts)]
    plain = device("generic-x86-core").to_dict()
    fitted = [family.model_dump(mode="json") for family in fit_families(rows)]
    return read_device(
        plain
        | {
            "calibration": "calibrated",
            "families": fitted,
            "yardstick_s": {"prefill": 0.01, "decode": 0.01},
            "provenance": {
                "runtime": "jax-cpu",
                "runtime_version": "0",
                "processor": "synthetic",
                "threads": 1,
                "date": "2026-01-01",
            },
        }
    )


def hybrid(
    width: int, layout: str = "attention(kv=1/2) swiglu(4) mamba2 swiglu(2) short_conv"
) -> Architecture:
    return parse_layout(layout).at(Scale(width=width, head_dim=64, vocab_size=512))


# The fit


@pytest.mark.parametrize("width", SMALL.widths)
@pytest.mark.parametrize("context", [100, 256])
def test_the_sum_of_blocks_is_given_back(calibrated: Device, width: int, context: int) -> None:
    """Rows that follow the model exactly are predicted exactly, at contexts between the measured ones too."""
    architecture, workload = hybrid(width), Workload(context=context)
    found = predict(architecture, calibrated, workload)
    for quantity, value in (
        ("prefill", found.prefill_latency_s.value),
        ("decode", found.decode_latency_s.value),
    ):
        expected = sum(
            true_amount(quantity, block, width, 512, workload) for block in (None, *architecture.blocks)
        )
        assert value == pytest.approx(expected, rel=0.02)
    assert found.notes == () and found.calibration == "calibrated"


def test_between_widths_the_factor_is_their_geometric_mean(calibrated: Device) -> None:
    fitted = next(f for f in calibrated.families if (f.operator, f.quantity) == ("swiglu", "decode"))
    family = fitted.model_copy(update={"factors": {256: 1.3, 512: 0.8}})
    assert family.factor(362) == pytest.approx(sqrt(family.factor(256) * family.factor(512)), rel=1e-3)
    assert family.factor(1) == family.factor(256) and family.factor(9999) == family.factor(512)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 2000), st.sampled_from(["attention", "swiglu", "mamba2", "hyena"]))
def test_more_work_is_never_cheaper(calibrated: Device, copies: int, context: int, op: str) -> None:
    def price(copies: int, context: int):
        layout = " ".join([op] * copies)
        return predict(hybrid(384, layout), calibrated, Workload(context=context))

    few, many, longer = price(copies, context), price(copies + 1, context), price(copies, context + 50)
    assert few.decode_latency_s.value < many.decode_latency_s.value
    assert few.prefill_latency_s.value < many.prefill_latency_s.value
    assert few.decode_latency_s.value <= longer.decode_latency_s.value
    assert few.peak_memory_bytes.value < many.peak_memory_bytes.value


def test_drift_is_taken_out() -> None:
    wanted = list(cases(SMALL, ["swiglu"]))
    steady = fit_families([measured(case) for case in wanted])
    drifting = fit_families([measured(case, 1 + 0.1 * i) for i, case in enumerate(wanted)])
    for a, b in zip(steady, drifting, strict=True):
        assert a.factors == pytest.approx(b.factors)


def test_the_share_left_from_the_cache_is_the_usual_one() -> None:
    rows = [measured(case) for case in cases(SMALL, ["swiglu"])]
    shares = [0.5, 0.6, 1.4][: len(rows)]
    timed = [
        row.model_copy(update={"cached_s": share * row.decode_s})
        for row, share in zip(rows, shares, strict=False)
    ]
    (left,) = {family.cached for family in fit_families(timed) if family.quantity == "decode"}
    assert left == pytest.approx(0.6)
    noisy = [row.model_copy(update={"cached_s": 1.4 * row.decode_s}) for row in rows]
    for found in (fit_families(rows), fit_families(noisy)):
        assert all(family.cached in (None, 1.0) for family in found)


def with_cache(calibrated: Device, cache_bytes: float | None, left: float) -> Device:
    families = [family.model_copy(update={"cached": left}) for family in calibrated.families]
    cache = None if cache_bytes is None else Figure(value=cache_bytes, source="here")
    return calibrated.model_copy(update={"families": tuple(families), "cache_bytes": cache})


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.floats(0.1, 1.0), st.floats(1e5, 1e8))
def test_a_token_is_faster_by_what_the_cache_holds(
    calibrated: Device, copies: int, left: float, cache_bytes: float
) -> None:

    def decode(cache: float | None, copies: int) -> float:
        model = hybrid(256, " ".join(["swiglu(4)"] * copies))
        return predict(model, with_cache(calibrated, cache, left)).decode_latency_s.value

    memory, cached = decode(None, copies), decode(cache_bytes, copies)
    assert left * memory * (1 - 1e-9) <= cached <= memory
    assert decode(1e12, copies) == pytest.approx(left * memory)
    assert cached < decode(cache_bytes, copies + 1) * (1 + 1e-9)
    model = hybrid(256, " ".join(["swiglu(4)"] * copies))
    share = held(weight_bytes(model, Workload()), cache_bytes)
    assert cached == pytest.approx(memory * (1 - share * (1 - left)))


def test_a_prompt_does_not_depend_on_the_cache(calibrated: Device) -> None:
    found = [predict(hybrid(256), with_cache(calibrated, cache, 0.5)) for cache in (None, 1e12)]
    assert found[0].prefill_latency_s == found[1].prefill_latency_s


def test_a_row_whose_samples_differ_counts_less() -> None:
    """One wrong row among rows that agree moves a fit little where its spread says so."""
    rows = [measured(case) for case in cases(SMALL, ["swiglu"]) if case.operator == "swiglu"]
    wrong = rows[0].model_copy(update={"decode_s": 2 * rows[0].decode_s})
    noisy = wrong.model_copy(update={"decode_spread": 1.5})

    def off(row: Measured) -> float:
        (family,) = (f for f in fit_families([row, *rows[1:]]) if f.quantity == "decode")
        work = terms_of(rows[0].case, "decode")
        return family.amount(work, rows[0].case.width) / rows[0].decode_s

    assert off(rows[0]) == pytest.approx(1)
    assert 1 <= off(noisy) < 1.05 < off(wrong)


def test_a_fit_needs_rows() -> None:
    with pytest.raises(InvalidInput, match="no measured rows"):
        fit_families([])


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_a_grid_measures_every_operator(grid: Grid) -> None:
    from genomes import operator_table

    found = list(cases(grid, JAX.layouts))
    assert {case.operator for case in found} == {*operator_table(), HEAD} - {"skip"}
    assert len({case.model_dump_json() for case in found}) == len(found)
    widths = {case.width for case in found if case.operator == "attention"}
    assert widths == set(grid.widths)
    assert {case.batch for case in found if case.operator == "swiglu"} == set(grid.batches)
    contexts = {case.context for case in found if case.operator == "mla"}
    assert contexts == {*grid.growing_contexts, *grid.long_contexts}
    for case in found:
        if case.operator != HEAD:
            block = parse_block(case)
            stack = Architecture(width=case.width, vocab_size=case.vocab_size, blocks=(block,) * case.copies)
            assert parameters(stack) < 2**31


# One figure


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["jax-cpu", "llama.cpp-cpu", "onnxruntime-cpu"]),
    st.lists(st.sampled_from(["attention", "swiglu", "swiglu(2)", "mamba2", "skip"]), max_size=8),
    st.sampled_from([256, 384, 1024]),
    st.builds(Workload, st.integers(1, 2000), st.integers(1, 2), weights=st.sampled_from([None, "int8"])),
)
def test_a_figure_alone_is_that_of_the_whole_prediction(
    calibrated: Device, runtime: str, blocks: list[str], width: int, workload: Workload
) -> None:
    priced = measured_with(calibrated, runtime)
    model = hybrid(width, " ".join([*blocks, "swiglu"]))
    whole = predict(model, priced, workload)
    for figure in FIGURES:
        assert price(model, priced, workload, figure) == getattr(whole, figure)


def measured_with(profile: Device, runtime: str) -> Device:
    assert profile.provenance is not None
    provenance = profile.provenance.model_copy(update={"runtime": runtime})
    return profile.model_copy(update={"provenance": provenance})


def test_the_feed_forward_that_ends_a_model_is_free_in_a_prompt_of_llama_cpp(calibrated: Device) -> None:
    workload = Workload(context=256)
    model, shorter = (
        hybrid(256, "attention swiglu attention swiglu"),
        hybrid(256, "attention swiglu attention"),
    )
    for runtime, free in (("jax-cpu", False), ("llama.cpp-cpu", True), ("onnxruntime-cpu", False)):
        priced = measured_with(calibrated, runtime)
        prompts = [price(m, priced, workload, "prefill_latency_s").value for m in (shorter, model)]
        tokens = [price(m, priced, workload, "decode_latency_s").value for m in (shorter, model)]
        assert (prompts[0] == pytest.approx(prompts[1])) is free
        assert tokens[0] < tokens[1]


def test_working_memory_is_of_the_two_hungriest_or_of_one_beside_the_head(calibrated: Device) -> None:
    workload, model = Workload(context=256), hybrid(256, "attention swiglu")

    def amount(block) -> float:
        return true_amount("working", block, 256, 512, workload)

    head, *blocks = map(amount, (None, *model.blocks))
    resident = weight_and_state_bytes(model, workload)
    for runtime, working in (
        ("jax-cpu", sum(sorted([head, *blocks])[-2:])),
        ("llama.cpp-cpu", head + max(blocks)),
        ("onnxruntime-cpu", head + max(blocks)),
    ):
        peak = price(model, measured_with(calibrated, runtime), workload, "peak_memory_bytes")
        assert peak.value == pytest.approx(resident + working, rel=0.02)


# What lies outside


def test_what_was_not_measured_is_said_and_widens_the_interval(calibrated: Device) -> None:
    inside = predict(hybrid(384), calibrated, Workload(context=256)).decode_latency_s
    for width, workload, said in (
        (384, Workload(context=5000), "context 5000 is past the measured"),
        (1024, Workload(context=256), "width 1024 is outside the measured 256 to 512"),
        (384, Workload(context=256, batch=2), "batch 2 is outside the measured (1,)"),
        (384, Workload(context=256, weights="int8"), "the curves are those of other dtypes"),
    ):
        found = predict(hybrid(width), calibrated, workload)
        assert any(said in note for note in found.notes), found.notes
        outside = found.decode_latency_s
        assert outside.high / outside.low > inside.high / inside.low


def test_an_operator_that_was_not_measured_is_priced_by_the_roofline(calibrated: Device) -> None:
    some = calibrated.model_copy(
        update={"families": tuple(f for f in calibrated.families if f.operator != "mamba2")}
    )
    found = predict(hybrid(384), some, Workload(context=256))
    assert found.notes == ("mamba2 was not measured: priced by the roofline",)
    without = predict(
        hybrid(384, "attention(kv=1/2) swiglu(4) swiglu(2) short_conv"), some, Workload(context=256)
    )
    assert found.decode_latency_s.value > without.decode_latency_s.value


def test_a_longer_context_is_more_of_the_same_to_a_state_of_one_size(calibrated: Device) -> None:
    recurrent = hybrid(384, "mamba2 swiglu(4) short_conv attention(kv=1/2,window=128)")
    assert predict(recurrent, calibrated, Workload(context=5000)).notes == ()
    assert predict(hybrid(384), calibrated, Workload(context=5000)).notes == (
        "attention: context 5000 is past the measured 1024",
    )


# Files


def test_a_calibrated_profile_comes_back_from_its_file(calibrated: Device, tmp_path) -> None:
    import yaml

    from hardware_profiles import load_device

    path = tmp_path / "here.yaml"
    path.write_text(calibrated.to_yaml(), encoding="utf-8")
    assert load_device(path) == calibrated
    assert yaml.safe_load(path.read_text())["version"] == 3


def test_curves_of_other_counts_are_left_out(calibrated: Device) -> None:
    """Up to version 2, prompts of latent attention and of implicit filters were counted otherwise."""
    model, workload = hybrid(384, "mla swiglu(4)"), Workload(context=256)
    older = read_device(calibrated.to_dict() | {"version": 2})
    names = {family.operator for family in calibrated.families}
    assert {family.operator for family in older.families} == names - {"mla", "hyena"}
    assert predict(model, calibrated, workload).notes == ()
    assert predict(model, older, workload).notes == ("mla was not measured: priced by the roofline",)
    onnx = measured_with(calibrated, "onnxruntime-cpu")  # whose hyena has an explicit filter
    assert read_device(onnx.to_dict() | {"version": 2}).families == calibrated.families


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"families": []}, "0 families"),
        ({"calibration": "measured"}, "families; a calibrated profile has families"),
        ({"yardstick_s": {"decode": 0}}, "yardstick_s"),
    ],
)
def test_a_wrong_profile_is_refused(calibrated: Device, change: dict, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_device(calibrated.to_dict() | change, "here.yaml")


def test_an_impossible_family_is_refused() -> None:
    row = measured(next(iter(cases(SMALL, ["swiglu"]))))
    good = fit_families([row])[0].model_dump()
    for change in ({"factors": {}}, {"factors": {64: 0.0}}, {"coefficients": {"runs": -1.0}}):
        with pytest.raises(ValueError):
            Family.model_validate(good | change)


# Judgement


def test_errors_are_those_of_the_measured_figures() -> None:
    found = errors(["a", "b", "c"], [1.0, 2.0, 4.0], [1.05, 2.0, 3.0], [0.02, None, 0.04])
    assert found.mape == pytest.approx((0.05 + 0 + 0.25) / 3)
    assert (found.within_10, found.within_20) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found.kendall_tau == 1 and found.worst == "c" and found.worst_factor == pytest.approx(4 / 3)
    assert (found.low_factor, found.high_factor) == (pytest.approx(1 / 1.05), pytest.approx(4 / 3))
    assert found.repeat_spread == pytest.approx(0.03)
    assert errors(["a", "b"], [1.0, 2.0], [2.0, 1.0]).kendall_tau == -1
    assert errors(["a"], [1.0], [2.0]).kendall_tau is None
    with pytest.raises(InvalidInput, match="no models"):
        errors([], [], [])


def test_intervals_come_from_the_validation(calibrated: Device) -> None:
    judged = errors(["a", "b", "c"], [1.0, 2.0, 4.0], [1.25, 2.0, 3.2])
    validation = Validation(
        date="2026-01-01",
        context=1024,
        batch=1,
        dtype="float32",
        prefill_latency_s=judged,
        decode_latency_s=judged,
        peak_memory_bytes=judged,
    )
    found = predict(
        hybrid(384),
        calibrated.model_copy(update={"validation": validation}),
        Workload(context=256),
    ).decode_latency_s
    assert found.low == pytest.approx(0.8 * found.value)
    assert found.high == pytest.approx(1.25 * found.value)


def test_skips_cost_nothing(calibrated: Device) -> None:
    plain = hybrid(384)
    longer = plain.model_copy(update={"blocks": (*plain.blocks, Skip())})
    workload = Workload(context=256)
    assert (
        predict(plain, calibrated, workload).decode_latency_s
        == predict(longer, calibrated, workload).decode_latency_s
    )
