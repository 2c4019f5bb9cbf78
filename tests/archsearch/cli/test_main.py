"""The command line: what it prints, how it ends, what it says of bad input."""

import io
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from archsearch.cli import main as cli
from archsearch.cli.show import outcome as show
from genomes import REFERENCES, model_names
from hardware_profiles import device_names
from proxies.tasks import TASKS
from support import campaigns, report_cases

VERBS = [
    "run",
    "check",
    "resume",
    "status",
    "report",
    "clean",
    "export",
    "train",
    "predict",
    "measure",
    "calibrate",
    "validate",
    "devices",
    "spaces",
    "tasks",
    "operators",
    "architectures",
    "schema",
    "doctor",
]
ARCHITECTURE = {
    "format": "archsearch/architecture",
    "version": 1,
    "name": "tiny",
    "width": 16,
    "vocab_size": 32,
    "blocks": [{"op": "attention", "heads": 4}, {"op": "swiglu", "hidden": 32}],
}
RECALL = ["--task", "in-context-recall", "--set", "vocab_size=16"]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def call(monkeypatch, capsys):
    """The command line in this process: exit code and what went to stdout and stderr."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("ARCHSEARCH_DEBUG", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["archsearch", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Ended(ended.value.code, out, err)

    yield call
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def architecture(tmp_path):
    path = tmp_path / "tiny.arch.json"
    path.write_text(json.dumps(ARCHITECTURE), encoding="utf-8")
    return path


@pytest.fixture
def campaign(tmp_path):
    return campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(campaigns.text_folder(tmp_path / "text")))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(call, verb):
    ended = call(verb, "--help")
    assert ended.code == 0
    assert ended.err == ""
    assert verb in ended.out


def test_the_help_names_every_verb(call):
    ended = call("--help")
    assert ended.code == 0
    assert [verb for verb in VERBS if verb not in ended.out] == []


def test_the_version_is_that_of_the_package(call):
    from archsearch import __version__

    assert call("--version").out == f"archsearch {__version__}\n"


def test_a_reference_or_a_layout_becomes_a_file_at_a_scale(call):
    printed = json.loads(call("architectures", "lfm2", "--width", "1024", "--blocks", "32").out)
    assert (printed["name"], printed["width"], len(printed["blocks"])) == ("lfm2", 1024, 32)
    assert len(json.loads(call("architectures", "attention swiglu(4)", "--width", "64").out)["blocks"]) == 2
    assert "did you mean lfm2?" in call("architectures", "lfm3", "--width", "64").err
    assert "did you mean raspberry-pi-5?" in call("predict", "lfm2-350m", "--device", "raspberry-pi5").err
    assert "did you mean lfm2-350m?" in call("predict", "lfm2-350", "--device", "raspberry-pi-5").err


def test_no_arguments_show_the_help_and_exit_2(call):
    assert call().code == 2


def test_the_front_is_shown_with_all_that_its_objectives_depend_on():
    """Brackets and all: a device may be a path, which is no markup."""
    results = report_cases.build()
    console = Console(width=400, file=io.StringIO())
    show.winners(replace(results, name="[/tmp]"), console)
    shown_text = console.file.getvalue()
    assert [o.label for o in results.objectives[1:] if o.label not in shown_text] == []
    assert "[/tmp]: front of" in shown_text


def test_the_outcome_says_what_quality_rests_on_and_what_the_front_may_claim():
    results = report_cases.build()
    idle = replace(results.tasks[1], weight=0.0)
    shown = replace(results, tasks=(results.tasks[0], idle), remarks=("fuzzy-recall has no weight.",))
    console = Console(width=500, file=io.StringIO())
    show.outcome(shown, console)
    shown_text = console.file.getvalue()
    best = results.candidate(results.front[0])
    for words in (
        f"±{best.quality_error:.2g}",
        f"{best.final.quality:+.2f} ±{best.final.quality_error:.2g}",
        "trades with every reference",
        "of the references at 180 steps",
        "bigram, 2.500 nats, accuracy 0.310",
        "0 (asked 0.5)",
        "0.08 (noise)",
        "62%",
        "1 lowest, 9 highest of 12",
        "fuzzy-recall has no weight.",
        *results.references,
    ):
        assert words in shown_text, words


def test_the_outcome_of_an_older_run_has_no_noise_to_show():
    console = Console(width=500, file=io.StringIO())
    show.outcome(report_cases.older(), console)
    assert "±" not in console.file.getvalue()
    assert "after the search" not in console.file.getvalue()


def test_the_installed_command_reports_without_a_traceback(tmp_path):
    command = [Path(sys.executable).with_name("archsearch"), "status", tmp_path / "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("archsearch: ")
    assert "Traceback" not in done.stderr


def test_bad_arguments_exit_2_and_say_what_is_legal(call, architecture, campaign, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.arch.json"
    broken.write_text("{", encoding="utf-8")
    none = tmp_path / "none.json"
    price = ["--device", "raspberry-pi-5"]
    cases = [
        (["run", tmp_path / "none.yaml"], ["none.yaml", "No such file"]),
        (["run", broken], ["broken.arch.json", "not a YAML"]),
        (["run", campaign, "--set", "seed"], ["--set seed", "key=value"]),
        (["run", campaign, "--out", empty], ["out = ", "choose another --out"]),
        (["run", campaign, "--executor", "slurm"], ["slurm", "local"]),
        (["run", campaign, "--workers", "0"], ["--workers", "'0' is not a whole number from 1 to"]),
        (["run"], ["CAMPAIGN"]),
        (["resume", empty], ["not the directory of a run"]),
        (["resume", tmp_path / "none"], ["not the directory of a run"]),
        (["status", empty], ["not the directory of a run"]),
        (["report", empty], ["not the directory of a run"]),
        (["export", f"{empty}#abc", "--out", tmp_path / "x"], ["not the directory of a run"]),
        (["export", none, "--out", tmp_path / "x"], ["none.json"]),
        (["export", architecture, "--format", "gguf", "--out", tmp_path / "x"], ["gguf", "spec, flax"]),
        (["export", architecture, "--format", "flax", "--out", tmp_path / "x"], ["weights", "DIR#ID"]),
        (["export", architecture, "--out", empty], ["out = ", "legal: a new folder"]),
        (["train", none, *RECALL], ["none.json"]),
        (["train", broken, *RECALL], ["broken.arch.json"]),
        (["train", architecture, "--task", "sorting"], ["sorting", "in-context-recall"]),
        (
            ["train", architecture, *RECALL, "--steps", "1"],
            ["--steps", "'1'", "from 2 to"],
        ),
        (["train", architecture, *RECALL, "--learning-rate", "2"], ["learning_rate = 2", "1"]),
        (["train", architecture, *RECALL, "--set", "vocab=8"], ["vocab", "vocab_size"]),
        (
            ["train", architecture, *RECALL, "--set", "vocab_size"],
            ["--set = 'vocab_size'", "legal: key="],
        ),
        (["train", architecture, *RECALL[:2], "--set", "vocab_size=["], ["--set vocab_size=[: ", "YAML"]),
        (["train", architecture, *RECALL, "--set", "vocab_size=8"], ["vocab_size is set twice"]),
        (["train", architecture, *RECALL, "--length", "2"], ["length"]),
        (["train", architecture, *RECALL, "--out", empty], ["out = ", "legal: a new folder"]),
        (["train", architecture, "--task", "text", "--set", "path=/none"], ["/none", "does not exist"]),
        (["predict", none, *price], ["none.json"]),
        (["predict", broken, *price], ["broken.arch.json"]),
        (["predict", architecture], ["--device"]),
        (["predict", architecture, "--device", "pager"], ["pager", *device_names(), "this-machine"]),
        (["predict", architecture, *price, "--dtype", "int3"], ["int3", "float32", "bfloat16"]),
        (["predict", architecture, *price, "--context", "0"], ["--context", "'0'", "from 1 to"]),
        (["predict", architecture, *price, "--batch", "-1"], ["--batch", "'-1'", "from 1 to"]),
        (["predict", architecture, *price, "--context", "many"], ["--context", "'many'", "whole number"]),
        (["measure", none], ["none.json"]),
        (["measure", architecture, "--dtype", "int3"], ["int3", "float32"]),
        (["measure", architecture, "--context", "0"], ["--context", "'0'"]),
        (["measure", architecture, "--depth", "4", "--depth", "x"], ["--depth", "'x'", "from 1 to"]),
        (["devices", "pager"], ["pager", "raspberry-pi-5"]),
        (["spaces", "outer"], ["outer", "hybrid"]),
        (["architectures", "gpt-5"], ["gpt-5", "lfm2", "transformer++"]),
        (["dance"], ["dance"]),
        (["status", empty, "--yaml"], ["--yaml"]),
    ]
    for arguments, said in cases:
        ended = call(*arguments)
        told = " ".join(ended.err.split())
        shown = f"{arguments} -> {ended}"
        assert ended.code == 2, shown
        assert ended.out == "", shown
        assert "Traceback" not in ended.err, shown
        assert [words for words in said if words not in told] == [], shown
    assert not (tmp_path / "x").exists()
    assert list(empty.iterdir()) == []


def test_what_fails_while_it_works_exits_1(call, architecture, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    ended = call("export", architecture, "--out", blocked / "inside")
    assert ended.code == 1
    assert ended.err.startswith("archsearch: ")
    assert "Traceback" not in ended.err


def test_predict_prints_the_keys_of_the_design(call, architecture):
    ended = call("predict", architecture, "--device", "raspberry-pi-5", "--context", "256", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    design = {
        "parameters",
        "state_bytes",
        "prefill_flops_per_token",
        "decode_flops_per_token",
        "prefill_latency_s",
        "decode_latency_s",
        "peak_memory_bytes",
        "fits_in_memory",
        "device",
        "calibration",
    }
    beside = {
        "context",
        "batch",
        "dtype",
        "weights",
        "cache",
        "head",
        "prefill_energy_j",
        "decode_energy_j",
        "notes",
    }
    assert set(found) == design | beside
    for name in ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes"):
        assert set(found[name]) == {"value", "low", "high"}
        assert 0 < found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    # embedding 32 x 16, attention 4 x 16 x 16, swiglu 3 x 16 x 32, three norms; keys and values of 256 tokens
    assert found["parameters"] == 512 + 1024 + 1536 + 48
    assert found["state_bytes"] == 2 * 256 * 16 * 4
    assert (found["device"], found["context"], found["batch"], found["dtype"]) == (
        "raspberry-pi-5",
        256,
        1,
        "float32",
    )


def test_predict_takes_a_published_model_and_a_device_file(call, tmp_path):
    shown = call("devices", "raspberry-pi-5")
    assert shown.code == 0
    file = tmp_path / "mine.yaml"
    file.write_text(shown.out, encoding="utf-8")
    by_file = call("predict", "lfm2-350m", "--device", file, "--json")
    by_name = call("predict", "lfm2-350m", "--device", "raspberry-pi-5", "--json")
    assert by_file.code == by_name.code == 0
    assert json.loads(by_file.out) == json.loads(by_name.out)
    assert json.loads(by_name.out)["parameters"] == 354_483_968
    table = call("predict", "lfm2-350m", "--device", "raspberry-pi-5")
    assert table.code == 0
    assert "354,483,968" in table.out
    assert "decode_latency_s" in table.out


def test_train_prints_the_keys_of_the_design_and_keeps_what_it_made(call, architecture, tmp_path):
    out = tmp_path / "trained"
    sizes = ["--steps", "6", "--length", "16", "--batch", "4", "--seed", "5"]
    rates = ["--learning-rate", "0.001", "--learning-rate", "0.01"]
    ended = call("train", architecture, *RECALL, *sizes, *rates, "--out", out, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    design = {"task", "loss", "accuracy", "steps", "seconds", "learning_rate", "seed", "fingerprint"}
    baseline = {"baseline", "baseline_loss", "baseline_accuracy"}
    assert set(found) == design | {"score", "metric", "out", "bits_per_byte"} | baseline
    assert (found["task"], found["steps"], found["seed"]) == ("in-context-recall", 6, 5)
    assert found["learning_rate"] in (0.001, 0.01)
    assert 0 < found["loss"] < 20
    assert 0 <= found["accuracy"] <= 1
    assert found["score"] == pytest.approx(1 - found["loss"] / found["baseline_loss"])
    assert found["metric"] == "above_baseline"
    kept = Path(found["out"])
    assert kept.parent == out
    assert json.loads((kept / "result.json").read_text(encoding="utf-8"))["loss"] == found["loss"]
    assert (kept / "checkpoint").is_dir()


def test_lists_name_what_there_is(call):
    listed = call("devices")
    assert listed.code == 0
    assert [name for name in (*device_names(), "this-machine") if name not in listed.out] == []
    listed = call("architectures")
    assert [name for name in (*REFERENCES, *model_names()) if name not in listed.out] == []
    assert "354,483,968" in listed.out
    assert "hybrid" in call("spaces").out
    listed = call("tasks")
    assert [name for name in TASKS if name not in listed.out] == []
    assert "pairs=4" in listed.out


def test_one_of_a_list_is_shown_in_full(call, tmp_path):
    space = call("spaces", "hybrid")
    assert space.code == 0
    for words in ("8 blocks", "short_conv(7)", "gated_linear_attention", "rule: at least 2", "griffin"):
        assert words in space.out
    assert "motif" not in call("architectures", "lfm2").err
    assert "short_conv(3) swiglu(4)" in call("architectures", "lfm2").out
    printed = call("architectures", "lfm2-350m")
    file = tmp_path / "copy.arch.json"
    file.write_text(printed.out, encoding="utf-8")
    again = call("predict", file, "--device", "raspberry-pi-5", "--json")
    assert json.loads(again.out)["parameters"] == 354_483_968


def test_a_task_shows_its_trivial_answers_and_which_settings_they_are_of(call):
    shown = call("tasks", "in-context-recall", "--length", "32", "--set", "vocab_size=8")
    assert shown.code == 0, shown.err
    for name in ("constant", "commonest so far", "copy of the last"):
        assert name in shown.out
    assert "at length 32" in shown.out
    assert call("tasks", "in-context-recall").out != shown.out
    for refused, said in (("memorization", "legal: in-context-recall"), ("text", "unknown setting")):
        ended = call("tasks", refused, "--set", "vocab_size=8")
        assert ended.code == 2 and said in ended.err


def test_an_architecture_file_is_exported_as_a_specification(call, architecture, tmp_path):
    out = tmp_path / "exported"
    ended = call("export", architecture, "--out", out)
    assert ended.code == 0
    assert str(out) in ended.out
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "tiny.arch.json"]
    assert "3,120" in (out / "README.md").read_text(encoding="utf-8")
    assert call("predict", out / "tiny.arch.json", "--device", "l4").code == 0
