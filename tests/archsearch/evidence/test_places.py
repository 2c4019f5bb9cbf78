"""Where finalists can be measured: here, by a command, or not, which is said before the run."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from archsearch.campaign.directory import RunDirectory
from archsearch.campaign.file import Campaign
from archsearch.campaign.pricing import Pricing
from archsearch.evidence.finalists import places
from archsearch.launch import resume, run
from genomes import InvalidInput
from hardware_profiles import (
    Device,
    Provenance,
    Workload,
    device,
    load_device,
    this_machine,
)
from hardware_profiles.measuring.trust import trust
from hardware_profiles.runtimes import table as runtimes
from hardware_profiles.runtimes.table import LLAMA_CPP
from support import campaigns
from support.boards import ONE, board, llama_cpp_profile, small


def on(folder: Path, *sections: dict[str, Any], count: object = 1) -> Campaign:
    data = small(folder) | {"finalists": {"count": count}}
    data["objectives"] = [{"metric": "quality"}, *sections]
    return campaigns.load(folder, data)


def laptop(**changes: Any) -> Device:
    """A measured profile of this machine."""
    machine = this_machine()
    here = {"processor": machine.processor, "threads": machine.cores, "date": date.today()}
    provenance = Provenance(**({"runtime": "jax-cpu", "runtime_version": "0.10"} | here | changes))
    return device("raspberry-pi-5").model_copy(update={"calibration": "measured", "provenance": provenance})


def places_of(campaign: Campaign, profile: Device) -> list[tuple[object, str]]:
    return [(p.way, p.why_not) for p in places(Pricing.of(campaign, {"laptop": profile}))]


def test_a_device_is_this_machine_where_its_profile_says_so(tmp_path):
    campaign = on(tmp_path, {"metric": "decode_latency_s", "device": "laptop"})
    assert places_of(campaign, laptop()) == [("here", "")]
    for change, said in (
        ({"processor": "Z80"}, "laptop was measured on Z80 with"),
        ({"threads": 999}, "with 999 threads, and this machine is"),
        ({"runtime": "jax-gpu"}, "laptop was measured with jax-gpu, not jax-cpu"),
        ({"runtime": "llama.cpp-gpu"}, "laptop was measured with llama.cpp-gpu, not llama.cpp-cpu"),
        ({"runtime": "llama.cpp-cpu", "threads": 999}, "with 999 threads, and this machine is"),
        ({"runtime": "iree-cpu"}, "provenance.runtime = 'iree-cpu'; nothing measures with it here"),
    ):
        ((way, why_not),) = places_of(campaign, laptop(**change))
        assert way is None
        assert said in why_not
        assert why_not.endswith("and no measure_command is given")
        beside = laptop(**change).model_copy(update={"measure_command": ("measure", "{arch}")})
        ((way, why_not),) = places_of(campaign, beside)
        assert way is None, "a run directory may be somebody else's"
        assert why_not.endswith("run of yours; archsearch resume --allow-commands starts it")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ARCHSEARCH_CACHE_DIR", str(tmp_path / said[:4]))
            trust(beside.measure_command)
            assert places_of(campaign, beside) == [("command", "")]


def test_types_that_jax_cannot_measure_are_said(tmp_path):
    one = {"metric": "decode_latency_s", "device": "laptop"}
    campaign = on(
        tmp_path, one, one | {"weights": "int4"}, one | {"cache": "int8"}, one | {"weights": "float32"}
    )
    found = places(Pricing.of(campaign, {"laptop": laptop()}))
    assert [place.way for place in found] == ["here", "here", None]
    assert "cache = 'int8'; with dtype = 'float32', jax is measured with float32" in found[2].why_not
    # float32 weights are those of float32: one measurement answers both
    assert [len(place.objectives) for place in found] == [2, 1, 1]
    assert found[1].workload == Workload(weights="int4")


def test_a_profile_is_measured_by_its_own_runtime(tmp_path):
    one = {"metric": "decode_latency_s", "device": "laptop", "weights": "int4", "cache": "float16"}
    campaign = on(tmp_path, one, one | {"batch": 2}, one | {"dtype": "bfloat16"}, one | {"cache": "bfloat16"})
    found = places(Pricing.of(campaign, {"laptop": laptop(runtime="llama.cpp-cpu")}))
    assert [place.way for place in found] == ["here", None, None, None]
    for place, said in zip(
        found[1:],
        (
            "laptop: batch = 2; llama.cpp is measured with 1 at most",
            "laptop: dtype = 'bfloat16'; with dtype = 'bfloat16', llama.cpp is measured with float32",
            "laptop: cache = 'bfloat16'; with dtype = 'float32', llama.cpp is measured with float32, float16",
        ),
        strict=True,
    ):
        assert said in place.why_not


def test_a_runtime_that_is_not_installed_is_said_before_the_run(tmp_path, monkeypatch):
    asked = {"device": llama_cpp_profile(tmp_path), "weights": "int8", "cache": "float16"}
    campaign = on(tmp_path, {"metric": "decode_latency_s", **asked})
    absent = replace(LLAMA_CPP, packages=("no_such_package",))
    monkeypatch.setitem(runtimes.RUNTIMES, "llama.cpp", absent)
    said = r"needs no_such_package; install them with pip install"
    with pytest.raises(InvalidInput, match=said):
        run(campaign, tmp_path / "run", ONE)
    assert not (tmp_path / "run").exists()
    name = str(asked["device"])
    RunDirectory(tmp_path / "run").create(campaign, {name: load_device(Path(name))})
    with pytest.raises(InvalidInput, match=said):
        resume(tmp_path / "run", ONE)
    assert campaigns.events(tmp_path / "run", "run") == []


@pytest.mark.parametrize(
    ("count", "sections", "said"),
    [
        (-1, [], ["finalists.count = -1", "greater than or equal to 0"]),
        (101, [], ["finalists.count = 101", "less than or equal to 100"]),
        (
            1,
            [{"metric": "decode_latency_s", "device": "raspberry-pi-5"}],
            ["finalists.count = 1", "raspberry-pi-5 is not this machine", "measure_command", "this-machine"],
        ),
        (3, [{"metric": "parameters"}], ["finalists.count = 3", "no objective is one of prefill_latency_s"]),
        (1, [{"metric": "decode_latency_s", "device": "{odd}"}], ["measure_command", "'{where}'", "{arch}"]),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_run(tmp_path, count, sections, said):
    odd = board(tmp_path, "odd", "measure", "{where}")
    sections = [
        {key: odd if value == "{odd}" else value for key, value in section.items()} for section in sections
    ]
    with pytest.raises(InvalidInput) as caught:
        run(on(tmp_path, *sections, count=count), tmp_path / "run", ONE)
    assert [words for words in said if words not in str(caught.value)] == [], str(caught.value)
    assert not (tmp_path / "run").exists()
