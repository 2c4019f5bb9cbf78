"""The shipped devices: complete, sourced, dense, and alike where they are alike."""

import pytest

from genomes import model
from hardware_profiles import Device, Figure, Power, Workload, device, device_names, predict, read_device
from hardware_profiles.device import Peak

LFM2 = model("lfm2-1.2b")
MEMORY_VARIANTS = {
    "raspberry-pi-5-4gb": ("raspberry-pi-5", 4e9),
    "raspberry-pi-5-16gb": ("raspberry-pi-5", 16e9),
    "apple-m2-24gb": ("apple-m2", 24e9),
    "apple-m4-32gb": ("apple-m4", 32e9),
}
TENSOR_CORES = {
    "a100-80gb-sxm": 16,  # 1024 multiply-adds a clock and SM over 64 CUDA cores (NVIDIA A100 whitepaper)
    "h100-sxm": 16,  # Hopper: 2048 over 128; the tensor figure is of a lower clock
    "h200-sxm": 16,
    "l4": 4,  # Ada: 512 over 128
    "rtx-4090": 2,  # GeForce sums float16 products in float32 at half the rate
    "jetson-agx-orin-64gb": 8,  # Orin: 1024 over 128
    "jetson-orin-nano-super-8gb": 8,
}
"""Float16 tensor FLOPs to float32 CUDA FLOPs a clock, dense; a figure with sparsity shows twice that."""


def figures(found: Device) -> list[Figure]:
    some = [found.dram_bandwidth_bytes_per_s, found.memory_bytes, found.cache_bytes, found.power_w]
    return [*found.peak_flops_per_s.values(), *(figure for figure in some if figure is not None)]


def test_the_catalogue_is_complete():
    promised = {"apple-m2", "ryzen-ai-9-hx-370", "tpu-v5e", "tpu-v5p", "tpu-v6e", "galaxy-s25-cpu"}
    assert promised | set(MEMORY_VARIANTS) | set(TENSOR_CORES) <= set(device_names())


@pytest.mark.parametrize("name", device_names())
def test_every_number_has_a_source(name):
    found = device(name)
    assert all(len(figure.source) >= 15 and " " in figure.source for figure in figures(found))
    assert found.description and found.name == name


def test_a_source_that_speaks_of_sparsity_says_what_is_dense():
    with pytest.raises(ValueError, match=r"speaks of sparsity; expected the dense figure"):
        Peak(value=1979e12, source="datasheet, 1979 TFLOPS with sparsity")
    assert Peak(value=989.5e12, source="datasheet, 1979 TFLOPS with sparsity, halved").value == 989.5e12


@pytest.mark.parametrize(("name", "ratio"), TENSOR_CORES.items())
def test_tensor_cores_are_as_many_times_faster_as_their_generation_is(name, ratio):
    """Within 10 %; a figure with sparsity beside a dense one would be off by 2."""
    found = device(name)
    assert found.peak("float16") / found.peak("float32") == pytest.approx(ratio, rel=0.1)
    assert found.peak("bfloat16") == found.peak("float16")


def test_every_device_with_tensor_cores_is_in_the_table():
    nvidia = {name for name in device_names() if "NVIDIA" in device(name).description}
    assert nvidia == set(TENSOR_CORES)


@pytest.mark.parametrize("name", device_names())
def test_half_precision_is_never_slower(name):
    peaks = device(name).peak_flops_per_s
    if "float32" in peaks:
        assert all(peak.value >= peaks["float32"].value for peak in peaks.values())
        if device(name).kind == "cpu":
            assert all(peak.value <= 2 * peaks["float32"].value for peak in peaks.values())


@pytest.mark.parametrize("name", device_names())
def test_units_are_plausible(name):
    """Nothing shipped needs fewer than 1 FLOP a byte to be bound by compute, or more than 1000."""
    found = device(name)
    widest = max(peak.value for peak in found.peak_flops_per_s.values())
    assert 1 < widest / found.dram_bandwidth_bytes_per_s.value < 1000
    assert found.memory_bytes is None or 1e9 <= found.memory_bytes.value <= 1e12
    assert found.cache_bytes is None or 2**20 <= found.cache_bytes.value <= 2**30
    assert found.power_w is None or 1 <= found.power_w.value <= 1500


@pytest.mark.parametrize(
    ("name", "dtype", "flops_per_s", "bytes_per_s"),
    [
        ("apple-m2", "float32", 10 * 128 * 2 * 1.398e9, 100e9),
        ("ryzen-ai-9-hx-370", "float32", 16 * 64 * 2 * 2.9e9 * 2, 128 / 8 * 7.5e9),
        ("ryzen-ai-9-hx-370", "float16", 16 * 512 * 2.9e9, 128 / 8 * 7.5e9),
        ("galaxy-s25-cpu", "float32", 4 * 4 * 2 * (2 * 4.47e9 + 6 * 3.53e9), 64 / 8 * 10.6e9),
        ("galaxy-s25-cpu", "float16", 4 * 8 * 2 * (2 * 4.47e9 + 6 * 3.53e9), 64 / 8 * 10.6e9),
        ("tpu-v5p", "bfloat16", 459e12, 2765e9),
        ("tpu-v6e", "bfloat16", 918e12, 1638e9),
    ],
)
def test_derivations_add_up(name, dtype, flops_per_s, bytes_per_s):
    found = device(name)
    assert found.peak(dtype) == pytest.approx(flops_per_s, rel=1e-3)
    assert found.dram_bandwidth_bytes_per_s.value == pytest.approx(bytes_per_s, rel=1e-3)


@pytest.mark.parametrize(("name", "like"), MEMORY_VARIANTS.items())
def test_memory_variants_differ_in_memory_alone(name, like):
    base, memory_bytes = like
    found, other = device(name), device(base)
    own = {"name", "description", "memory_bytes"}
    assert found.model_dump(exclude=own) == other.model_dump(exclude=own)
    assert found.memory_bytes.value == memory_bytes != other.memory_bytes.value


def test_memory_decides_what_fits():
    at = Workload(dtype="float32", context=1024)
    verdicts = {
        n: predict(LFM2, device(n), at).fits_in_memory for n in ("raspberry-pi-5-4gb", "raspberry-pi-5")
    }
    assert verdicts == {"raspberry-pi-5-4gb": False, "raspberry-pi-5": True}
    at = Workload(dtype="float32", context=1024, weights="int4")
    assert predict(LFM2, device("raspberry-pi-5-4gb"), at).fits_in_memory is True


# Energy


def test_energy_is_the_latency_times_the_power():
    found = predict(LFM2, device("l4"), Workload(dtype="float16"))
    for phase in ("prefill", "decode"):
        energy, latency = getattr(found, f"{phase}_energy_j"), getattr(found, f"{phase}_latency_s")
        for end in ("value", "low", "high"):
            assert getattr(energy, end) == pytest.approx(72 * getattr(latency, end))


def test_a_range_of_power_widens_the_energy():
    found = predict(LFM2, device("jetson-agx-orin-64gb"), Workload(dtype="float16"))
    energy, latency = found.decode_energy_j, found.decode_latency_s
    assert energy.value == pytest.approx(60 * latency.value)
    assert energy.low == pytest.approx(15 * latency.low)
    assert energy.high == pytest.approx(60 * latency.high)


def test_no_power_figure_no_energy():
    found = predict(LFM2, device("raspberry-pi-5"))
    assert found.prefill_energy_j is None and found.decode_energy_j is None
    assert found.to_dict()["decode_energy_j"] is None


def test_a_range_that_does_not_hold_its_figure_is_refused():
    data = device("l4").to_dict()
    data["power_w"] = {"value": 60, "low": 70, "source": "somewhere"}
    with pytest.raises(ValueError, match="expected to rise"):
        read_device(data)
    assert Power(value=60, source="x").low is None
