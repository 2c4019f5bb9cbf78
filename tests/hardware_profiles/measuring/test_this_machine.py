"""`resolve_device`: the catalogue, a user's file, and this machine, measured once."""

import json
import logging
import subprocess
import sys

import pytest

import genomes
from genomes import InvalidInput
from hardware_profiles import device, predict
from hardware_profiles.measuring import this_machine as devices
from hardware_profiles.measuring.this_machine import default_cache_dir, measure_device, resolve_device

PRODUCT = {"flops": 2e9, "bytes": 1e7, "median_s": 0.01, "p10_s": 0.009, "p90_s": 0.012, "repeats": 5}
STREAM = {"flops": 5e7, "bytes": 1e8, "median_s": 0.01, "p10_s": 0.009, "p90_s": 0.012, "repeats": 5}
PROBES = {
    "provenance": {
        "runtime": "jax-cpu",
        "runtime_version": "0.0.0",
        "processor": "cpu",
        "threads": 2,
        "date": "2025-01-31",
    },
    "machine": {"kind": "cpu", "memory_bytes": None},
    "rows": [
        {"probe": "matmul", "dtype": "float32", "shape": [1000, 1000, 1000], **PRODUCT},
        {"probe": "matvec", "dtype": "float32", "shape": [1, 5000, 5000], **STREAM},
    ],
}


@pytest.fixture
def measurements(monkeypatch):
    """Counts measurements and answers with made-up rows."""
    made = []

    def run_probes():
        made.append(1)
        return PROBES

    monkeypatch.setattr(devices, "_run_probes", run_probes)
    monkeypatch.setattr(devices, "foreign_cores", lambda: 0.0)
    return made


def test_what_was_measured_under_load_is_measured_again_when_it_is_quiet(tmp_path, monkeypatch, measurements):
    load, said = [2.0], []
    monkeypatch.setattr(devices, "foreign_cores", lambda: load[0])
    monkeypatch.setattr(devices, "LONGEST_WAIT_S", 0.0)

    def measured():
        said.clear()
        return resolve_device("this-machine", cache_dir=tmp_path, progress=said.append)

    assert measured().provenance.foreign_cores == 2.0
    assert said[-1] == "other programs ran beside the measurement; it is made again when they are gone"
    measured()
    assert "while other programs took 2.0 cores, as they do now" in said[0]
    assert len(measurements) == 1
    load[0] = 0.2
    assert measured().provenance.foreign_cores == 0.2
    assert "2.0 cores; it is measured again" in said[0]
    assert measured().provenance.foreign_cores == 0.2
    assert len(measurements) == 2
    resolve_device("this-machine", cache_dir=tmp_path, again=True)
    assert len(measurements) == 3


@pytest.mark.usefixtures("measurements")
def test_it_waits_for_quiet(monkeypatch):
    loads = iter([2.0, 1.0, 0.3, 0.1])
    monkeypatch.setattr(devices, "foreign_cores", lambda: next(loads))
    said = []
    assert measure_device(progress=said.append).provenance.foreign_cores == 0.3
    assert said == [
        "waiting: other programs take 2.0 cores, and would be measured too",
        "measuring this machine, some ten seconds",
    ]


def test_names_and_files(tmp_path):
    assert resolve_device("h100-sxm") == device("h100-sxm")
    path = tmp_path / "mine.yaml"
    path.write_text(device("l4").to_yaml(), encoding="utf-8")
    assert resolve_device(path) == resolve_device(str(path)) == device("l4")


def test_an_unknown_name_lists_this_machine_too():
    with pytest.raises(InvalidInput, match=r"'my-fridge'.*h100-sxm.*this-machine.*\.yaml"):
        resolve_device("my-fridge")


def test_a_real_measurement_is_made_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(devices, "foreign_cores", lambda: 0.1)
    first = resolve_device("this-machine", cache_dir=tmp_path / "new", progress=said.append)
    assert said == ["measuring this machine, some ten seconds"]
    assert first.name == "this-machine" and first.calibration == "measured"
    assert set(first.peak_flops_per_s) == {"float32", "bfloat16"}
    assert 1e8 < first.peak("float32") < 1e16
    assert 1e8 < first.dram_bandwidth_bytes_per_s.value < 1e14
    assert 0 < first.overhead_s.value < 0.01
    assert first.memory_bytes.value > 1e8
    assert {row.probe for row in first.provenance.rows} == {"matmul", "matvec", "dispatch"}
    assert first.provenance.processor != "cpu"

    def again():
        raise AssertionError("measured twice")

    monkeypatch.setattr(devices, "_run_probes", again)
    assert resolve_device("this-machine", cache_dir=tmp_path / "new") == first
    assert len(list((tmp_path / "new").iterdir())) == 1
    found = predict(genomes.model("lfm2-350m"), first).decode_latency_s
    assert found.low <= found.value <= found.high


def test_the_cache_is_keyed_by_the_machine(tmp_path, measurements, monkeypatch):
    resolve_device("this-machine", cache_dir=tmp_path)
    resolve_device("this-machine", cache_dir=str(tmp_path))
    assert len(measurements) == 1
    monkeypatch.setattr(devices, "version", lambda package: f"another {package}")
    resolve_device("this-machine", cache_dir=tmp_path)
    assert len(measurements) == 2


@pytest.mark.parametrize("damage", ["", "name: [", "half: a file\n"])
def test_a_damaged_cache_is_measured_again(tmp_path, measurements, caplog, damage):
    first = resolve_device("this-machine", cache_dir=tmp_path)
    (cached,) = tmp_path.iterdir()
    cached.write_text(damage, encoding="utf-8")
    said = []
    with caplog.at_level(logging.WARNING):
        assert resolve_device("this-machine", cache_dir=tmp_path, progress=said.append) == first
    assert "damaged" in said[0] and cached.name in said[0]
    assert "damaged" in caplog.text
    assert len(measurements) == 2
    resolve_device("this-machine", cache_dir=tmp_path)
    assert len(measurements) == 2


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, measurements):
    file = tmp_path / "file"
    file.write_text("in the way", encoding="utf-8")
    said = []
    found = resolve_device("this-machine", cache_dir=file / "below", progress=said.append)
    assert found.calibration == "measured"
    assert "next time it is made again" in said[-1]
    assert len(measurements) == 1


def test_a_failed_write_leaves_nothing(tmp_path, measurements, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    resolve_device("this-machine", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(measurements) == 1


def test_a_measurement_may_have_a_name(measurements):
    found = measure_device("my-laptop")
    assert found.name == "my-laptop" and len(measurements) == 1
    assert found.peak("float32") == pytest.approx(2e11, rel=0.05)


def test_a_failed_measurement_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_PROBES", "proxies.no_such_module")
    with pytest.raises(RuntimeError, match="no_such_module"):
        resolve_device("this-machine", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHSEARCH_CACHE_DIR", str(tmp_path / "own"))
    assert default_cache_dir() == tmp_path / "own"
    monkeypatch.delenv("ARCHSEARCH_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "archsearch"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "archsearch"


def test_the_driver_stays_free_of_jax():
    code = (
        "import sys, json, hardware_profiles.measuring.this_machine; print(json.dumps('jax' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) is False
