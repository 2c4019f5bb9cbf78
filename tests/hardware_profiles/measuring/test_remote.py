"""Measuring by a device's command: real processes that answer, fail, hang and lie."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from archsearch.cli import main as cli
from archsearch.cli.terminal import exit_code
from genomes import InvalidInput, Scale, parse_layout
from hardware_profiles import Device, Workload, device, read_device
from hardware_profiles.measuring.remote import measure_on

MODEL = parse_layout("attention swiglu(4)").at(Scale(width=2048, head_dim=64, vocab_size=4096))
FIGURE = {"p10": 0.9, "median": 1.0, "p90": 1.2}
TRUTH = {"prefill_latency_s": FIGURE, "decode_latency_s": FIGURE, "peak_memory_bytes": FIGURE}


def board(*command: str, **fields: Any) -> Device:
    return read_device(
        device("raspberry-pi-5").to_dict() | {"measure_command": list(command)} | fields, "board.yaml"
    )


def saying(text: str, **fields: Any) -> Device:
    """A board whose command prints a text, its braces kept from being filled in."""
    program = f"print({text!r})".replace("{", "{{").replace("}", "}}")
    return board(sys.executable, "-c", program, "{arch}", **fields)


def test_the_command_is_given_the_architecture_and_the_workload(tmp_path: Path) -> None:
    script = tmp_path / "measure.py"
    script.write_text(
        "import json, sys\n"
        "print('warming up {', file=sys.stdout)\n"
        f"found = {TRUTH!r}\n"
        "found['seen'] = [json.load(open(sys.argv[1]))['width'], *sys.argv[2:]]\n"
        "print(json.dumps(found, indent=1))\n"
    )
    there = board(sys.executable, str(script), "{arch}", "{context}", "{batch}", "{dtype}")
    measurement = measure_on(there, MODEL, Workload(context=77, batch=2, dtype="float16"))
    assert measurement.decode_latency_s.to_dict() == FIGURE
    assert (measurement.device, measurement.repeat_spread, measurement.stable) == (
        "raspberry-pi-5",
        None,
        None,
    )
    asked = {"device": "raspberry-pi-5", "context": 77, "batch": 2}
    assert measurement.to_dict() == TRUTH | {"seen": [MODEL.width, "77", "2", "float16"]} | asked


@pytest.mark.parametrize(
    ("words", "understood"),
    [
        ({"repeat_spread": 0.07, "stable": False, "disturbed": True}, (0.07, False, True)),
        ({"repeat_spread": True, "stable": "no", "disturbed": 0}, (None, None, None)),
        ({"repeat_spread": float("nan")}, (None, None, None)),
    ],
)
def test_what_a_command_adds_is_kept_where_it_can_be_understood(words: dict, understood: tuple) -> None:
    measurement = measure_on(saying(json.dumps(TRUTH | words)), MODEL, Workload())
    assert (measurement.repeat_spread, measurement.stable, measurement.disturbed) == understood
    assert measurement.to_dict().keys() >= words.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "printed no JSON object"),
        ("all is well", "printed no JSON object at its end, but 'all is well'"),
        ("{'prefill': 1}", "printed no JSON object"),
        ("{}", "prefill_latency_s = None; expected"),
        (json.dumps(TRUTH | {"decode_latency_s": 1.0}), "decode_latency_s = 1.0; expected"),
        (json.dumps(TRUTH | {"decode_latency_s": FIGURE | {"p10": 0}}), "above zero"),
        (json.dumps(TRUTH | {"decode_latency_s": FIGURE | {"p90": float("nan")}}), "above zero"),
        (json.dumps(TRUTH | {"decode_latency_s": FIGURE | {"p90": True}}), "above zero"),
        (json.dumps(TRUTH | {"decode_latency_s": FIGURE | {"p90": 10**400}}), "above zero"),
        ('{"prefill_latency_s": ' + 5000 * "9" + "}", "printed no JSON object"),
        (5000 * '{"a": ' + 5000 * "}", "printed no JSON object"),
        (json.dumps(TRUTH | {"peak_memory_bytes": FIGURE | {"p90": 0.95}}), "p10 <= median <= p90"),
        (
            json.dumps(TRUTH | {"decode_latency_s": {"p10": 1e-5, "median": 1e-5, "p90": 1e-5}}),
            "cannot be: reading .* MB of weights alone",
        ),
    ],
)
def test_a_lie_is_no_measurement(text: str, said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        measure_on(saying(text), MODEL, Workload())


def test_a_failure_gives_its_last_words() -> None:
    failing = board(
        sys.executable, "-c", "import sys; print('no phone found', file=sys.stderr); sys.exit(3)", "{arch}"
    )
    with pytest.raises(RuntimeError, match=r"(?s)failed with exit code 3:.*no phone found"):
        measure_on(failing, MODEL, Workload())
    with pytest.raises(RuntimeError, match="no-such-program: No such file"):
        measure_on(board("no-such-program", "{arch}"), MODEL, Workload())


def test_one_that_hangs_is_ended_with_all_that_it_started() -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(987)'])"
    hanging = board(sys.executable, "-c", program, "{arch}", measure_timeout_s=1.5)
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=r"took longer than measure_timeout_s = 1\.5"):
        measure_on(hanging, MODEL, Workload())
    assert time.monotonic() - started < 30
    assert not [p for p in psutil.process_iter(["cmdline"]) if "time.sleep(987)" in (p.info["cmdline"] or [])]


@pytest.mark.parametrize("part", ["{model}", "{0}", "{arch"])
def test_a_command_that_cannot_be_filled_in_is_refused(part: str) -> None:
    with pytest.raises(InvalidInput, match=r"legal in braces: \{arch\}, \{context\}, \{batch\}, \{dtype\}"):
        measure_on(board("measure", part), MODEL, Workload())


@pytest.mark.parametrize("part", ["{arch.foo}", "{context:>1000000000}", "{context!r}", "}", "{arch}{"])
def test_braces_are_replaced_plainly(part: str) -> None:
    with pytest.raises(InvalidInput, match=r"legal in braces"):
        measure_on(board("measure", part, "{arch}"), MODEL, Workload())


def test_a_command_is_told_what_to_measure() -> None:
    with pytest.raises(InvalidInput, match=r"legal: with \{arch\}"):
        measure_on(board("measure", "{context}"), MODEL, Workload())


def test_the_end_of_a_command_is_the_end_of_its_process() -> None:
    """Not that of its pipes, which a child that it leaves behind keeps open."""
    program = f"import json, subprocess, sys; subprocess.Popen(['sleep', '20']); print({json.dumps(TRUTH)!r})"
    program = program.replace("{", "{{").replace("}", "}}")
    started = time.monotonic()
    assert measure_on(board(sys.executable, "-c", program, "{arch}"), MODEL, Workload())
    assert time.monotonic() - started < 15


def test_a_long_answer_is_read_in_linear_time() -> None:
    started = time.monotonic()
    for text, end in (('{"a":\n', ""), ("{\n", "\n" + json.dumps(TRUTH))):
        program = f"import sys; sys.stdout.write({text!r} * 200_000 + {end!r})"
        there = board(sys.executable, "-c", program.replace("{", "{{").replace("}", "}}"), "{arch}")
        if end:
            assert measure_on(there, MODEL, Workload())
        else:
            with pytest.raises(RuntimeError, match="no JSON object"):
                measure_on(there, MODEL, Workload())
    assert time.monotonic() - started < 60


def test_a_device_without_a_command_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["archsearch", "measure", "lfm2-350m", "--device", "raspberry-pi-5", "--context", "16"]
    )
    assert exit_code(cli.app) == 2
    assert "raspberry-pi-5 has no measure_command" in capsys.readouterr().err


def test_a_small_model_may_decode_from_the_cache() -> None:
    small = parse_layout("swiglu(4)").at(Scale(width=64, head_dim=64))
    fast = {"p10": 1e-5, "median": 1e-5, "p90": 1e-5}
    assert measure_on(saying(json.dumps(TRUTH | {"decode_latency_s": fast})), small, Workload())
