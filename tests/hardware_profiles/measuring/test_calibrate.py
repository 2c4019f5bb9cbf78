"""`calibrate` and `validate`: real processes on a small grid, resumed after an interruption; bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from archsearch.cli import main as cli
from archsearch.cli.terminal import exit_code
from genomes import InvalidInput, Scale, parse_layout
from hardware_profiles import Device, Workload, device, load_device, predict, this_machine
from hardware_profiles.measuring.calibrate import calibrate
from hardware_profiles.measuring.grid import Grid
from hardware_profiles.measuring.judgement import with_validation
from hardware_profiles.measuring.rows import Rows
from hardware_profiles.measuring.validate import validate
from hardware_profiles.workload import FIGURES

TINY = Grid(widths=(64,), contexts=(16,), growing_contexts=(16,))
LAYOUTS = ("swiglu(2)", "short_conv")
MODEL = parse_layout("short_conv swiglu(2) short_conv swiglu(4)").at(
    Scale(width=64, head_dim=64, vocab_size=300)
)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Device, Path, list[tuple[int, int, str]]]:
    """Interrupted after two cases, in the middle of a line, and begun again."""
    out = tmp_path_factory.mktemp("calibrated") / "here.yaml"
    rows = out.with_suffix(".rows.jsonl")

    def stop(done: int, total: int, following: str) -> None:
        del total, following
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate("here", out, TINY, LAYOUTS, progress=stop)
    kept = rows.read_text(encoding="utf-8")
    assert len(kept.splitlines()) == 2 and not out.exists()
    rows.write_text(kept + kept[:40], encoding="utf-8")
    told: list[tuple[int, int, str]] = []
    found = calibrate("here", out, TINY, LAYOUTS, progress=lambda *seen: told.append(seen))
    assert rows.read_text(encoding="utf-8").startswith(kept)
    return found, out, told


@pytest.mark.slow
def test_a_calibration_goes_on_where_it_stopped(
    profile: tuple[Device, Path, list[tuple[int, int, str]]],
) -> None:
    found, out, told = profile
    first = [done for done, total, _ in told if total == 4]  # what was disturbed comes again behind them
    assert first == [2, 3]
    assert found.calibration == "calibrated" and found.cases_failed == 0
    assert {family.operator for family in found.families} == {"head", "swiglu", "short_conv"}
    assert load_device(out) == found
    rows = [json.loads(line) for line in out.with_suffix(".rows.jsonl").read_text().splitlines()]
    assert all(row["decode_s"] > 0 and row["yardstick"]["prefill"] > 0 for row in rows)
    if this_machine().cache_bytes is not None:
        assert all(row["cached_s"] > 0 for row in rows)  # small stacks, all of them


@pytest.mark.parametrize("order", [1, -1])
def test_the_steadier_of_two_answers_counts(tmp_path: Path, order: int) -> None:
    case = {"operator": "head", "block": {}, "width": 64, "vocab_size": 96, "copies": 1, "context": 16}
    kept = tmp_path / "here.rows.jsonl"

    def counts(*answers: dict[str, float]) -> dict[str, Any]:
        lines = [json.dumps({"case": case, **answer}) + "\n" for answer in answers]
        kept.write_text("".join(lines[::order]), encoding="utf-8")
        (answer,) = Rows(kept).answers()
        return dict(answer.values)

    steady = {"prefill_spread": 0.1, "decode_spread": 0.2, "other_load": 0.0}
    uneven = {"prefill_spread": 0.05, "decode_spread": 0.6, "other_load": 0.0}
    disturbed = {"prefill_spread": 0.01, "decode_spread": 0.01, "other_load": 0.4}
    assert counts(steady, uneven, disturbed)["decode_spread"] == 0.2
    assert counts(uneven, disturbed)["decode_spread"] == 0.6


@pytest.mark.slow
def test_a_profile_is_judged_by_whole_models(
    profile: tuple[Device, Path, list[tuple[int, int, str]]],
) -> None:
    calibrated = profile[0]
    judgement = validate(calibrated, [("small", MODEL)], Workload(16), processes=2)
    found = judgement.to_dict()
    assert json.loads(json.dumps(found)) == found
    (row,) = found["models"]
    predicted = predict(MODEL, calibrated, Workload(context=16))
    assert row["notes"] == []
    for figure in FIGURES:
        assert row[figure]["predicted"] == getattr(predicted, figure).value
        assert row[figure]["error"] == pytest.approx(row[figure]["predicted"] / row[figure]["measured"] - 1)
        assert found[figure]["models"] == 1
    judged = with_validation(calibrated, judgement)
    again = predict(MODEL, judged, Workload(context=16)).decode_latency_s
    factor = judgement.decode_latency_s.worst_factor
    assert again.high == pytest.approx(max(factor, 1) * again.value)


# Bad input


def test_nothing_is_overwritten_and_the_grid_is_known(tmp_path: Path) -> None:
    (tmp_path / "there.yaml").write_text("kept")
    with pytest.raises(InvalidInput, match=r"there\.yaml exists; give another file"):
        calibrate("here", tmp_path / "there.yaml")
    assert (tmp_path / "there.yaml").read_text() == "kept"
    with pytest.raises(InvalidInput, match="grid = 'huge'; legal: quick, full"):
        calibrate("here", tmp_path / "here.yaml", "huge")


@pytest.mark.parametrize("line", ["no json", '{"case": {}}', "[]"])
def test_rows_of_something_else_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "here.rows.jsonl").write_text(line + "\n")
    with pytest.raises(InvalidInput, match="line 1 is not a measured case; remove the file"):
        calibrate("here", tmp_path / "here.yaml", TINY, LAYOUTS)


def test_a_validation_needs_models() -> None:
    with pytest.raises(InvalidInput, match="no models"):
        validate(device("generic-x86-core"), [])


def test_errors_are_kept_in_files_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["archsearch", "validate", "raspberry-pi-5", "lfm2-350m", "--store"])
    assert exit_code(cli.app) == 2
    error = capsys.readouterr().err
    assert "device = 'raspberry-pi-5'; legal: a device file, where --store keeps the errors" in error
