"""What `archsearch devices` and `archsearch predict` print."""

from collections.abc import Callable

from rich.console import Console

from archsearch.cli.show.tables import new_table
from genomes.errors import refused
from hardware_profiles import Prediction, device, device_names
from hardware_profiles.measuring.this_machine import THIS_MACHINE, resolve_device

Say = Callable[[str], None]


def devices(name: str | None, console: Console, say: Say, again: bool = False) -> None:
    """All devices, or the file of one; this machine is measured `again`."""
    if again and name != THIS_MACHINE:
        raise refused("--again", name or "no device", THIS_MACHINE)
    if name is not None:
        shown = resolve_device(name, progress=say, again=again)
        console.print(shown.to_yaml(), highlight=False, markup=False, soft_wrap=True)
        return
    table = new_table("devices", "name", "kind", "calibration", "dtypes", "GB/s", "memory GB")
    for known in device_names():
        d = device(known)
        bandwidth, memory = d.dram_bandwidth_bytes_per_s, d.memory_bytes
        table.add_row(
            known,
            d.kind,
            d.calibration,
            ", ".join(dtype for dtype, peak in d.peak_flops_per_s.items() if peak is not None),
            f"{bandwidth.value / 1e9:,.0f}" if bandwidth else "",
            f"{memory.value / 1e9:,.0f}" if memory else "",
        )
    table.add_row(THIS_MACHINE, "", "measured", "", "", "")
    console.print(table)


def prediction(price: Prediction, console: Console) -> None:
    """The price of an architecture on a device."""
    title = (
        f"{price.device} ({price.calibration}), context {price.context}, batch {price.batch}, {price.dtype}"
    )
    stored = {"weights": price.weights, "cache": price.cache}
    title += "".join(f", {key} {dtype}" for key, dtype in stored.items() if dtype != price.dtype)
    title += f", head {price.head}" if price.head != price.weights else ""
    table = new_table(title, "", "value", "low", "high")
    for name in ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes"):
        estimate = getattr(price, name)
        table.add_row(name, *(f"{v:.4g}" for v in (estimate.value, estimate.low, estimate.high)))
    for name in ("prefill_energy_j", "decode_energy_j"):
        estimate = getattr(price, name)
        cells = (
            ["unknown"]
            if estimate is None
            else [f"{v:.3g}" for v in (estimate.value, estimate.low, estimate.high)]
        )
        table.add_row(f"{name} (estimate)", *cells)
    for name in ("parameters", "state_bytes", "prefill_flops_per_token", "decode_flops_per_token"):
        table.add_row(name, f"{getattr(price, name):,.0f}")
    table.add_row("fits_in_memory", {True: "yes", False: "no", None: "unknown"}[price.fits_in_memory])
    console.print(table)
    for note in price.notes:
        console.print(f"{note}; the interval is wider for it", highlight=False, markup=False)
