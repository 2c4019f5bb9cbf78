"""What the command line prints: tables of values that other modules know."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from archsearch.campaign.results import Results
from archsearch.cli.progress import duration
from genomes import (
    REFERENCES,
    Architecture,
    InvalidInput,
    accounting,
    load_architecture,
    model,
    model_names,
    reference,
)
from hardware_profiles import Prediction, device, device_names
from hardware_profiles.measuring.this_machine import THIS_MACHINE, resolve_device

Say = Callable[[str], None]


def find_architecture(text: str) -> Architecture:
    """An architecture file by its path, or a published model by its name."""
    if text in model_names() and not Path(text).exists():
        return model(text)
    return load_architecture(text)


def settings(pairs: list[str]) -> dict[str, Any]:
    """`key=value` pairs with YAML values. Raises `InvalidInput`."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set {pair}: write key=value")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InvalidInput(f"--set {pair}: {value!r} is not a YAML value") from None
    return found


def status(found: dict[str, Any], console: Console) -> None:
    """Where a run stands."""
    shares = ", ".join(f"{phase} {share:.0%}" for phase, share in found["worker_time"].items())
    stands = (
        "finished" if found["finished"] else "running" if found["running"] else "not finished, not running"
    )
    table = new_table(f"{found['name']}: {stands}", "", "")
    for key in ("evaluated", "failed", "rejected", "cached", "in_flight"):
        table.add_row(key.replace("_", " "), str(found[key]))
    table.add_row("front", f"{len(found['front'])}: {' '.join(found['front'])}")
    table.add_row("hypervolume", f"{found['hypervolume']:.4f}")
    table.add_row("wall time", duration(found["seconds"]))
    table.add_row("worker time", shares)
    if (measured := found["measured"])["in_all"]:
        table.add_row(
            "finalists measured", f"{measured['done']} of {measured['in_all']}, {measured['failed']} failed"
        )
    made, redrawn = found["offspring"], found["offspring"]["redrawn"]
    table.add_row("offspring", f"{made['made']}, {made['invalid_share']:.0%} invalid before repair")
    if redrawn:
        causes = ", ".join(f"{cause} {genes}" for cause, genes in redrawn.items())
        table.add_row("genes redrawn by repair", causes)
    console.print(table)
    for damage in found["damaged_journal_lines"]:
        console.print(f"journal: {damage}", highlight=False, markup=False)


def winners(results: Results, console: Console) -> None:
    """The front."""
    table = new_table(f"{results.name}: front of {len(results.front)}", "id", "name", "pattern")
    for o in results.objectives:
        table.add_column(escape(f"{o.name} ({o.direction})"), justify="right", overflow="fold")
    for identifier in results.front:
        c = results.candidate(identifier)
        values = [f"{c.objectives[o.name]:.4g}" for o in results.objectives]
        table.add_row(c.id, c.name if c.origin == "reference" else "", c.pattern, *values)
    console.print(table)


def prediction(found: Prediction, console: Console) -> None:
    """A price."""
    title = (
        f"{found.device} ({found.calibration}), context {found.context}, batch {found.batch}, {found.dtype}"
    )
    stored = {"weights": found.weights, "cache": found.cache}
    title += "".join(f", {key} {dtype}" for key, dtype in stored.items() if dtype != found.dtype)
    table = new_table(title, "", "value", "low", "high")
    for name in ("prefill_latency_s", "decode_latency_s", "peak_memory_bytes"):
        estimate = getattr(found, name)
        table.add_row(name, *(f"{v:.4g}" for v in (estimate.value, estimate.low, estimate.high)))
    for name in ("prefill_energy_j", "decode_energy_j"):
        estimate = getattr(found, name)
        cells = (
            ["unknown"]
            if estimate is None
            else [f"{v:.3g}" for v in (estimate.value, estimate.low, estimate.high)]
        )
        table.add_row(f"{name} (estimate)", *cells)
    for name in ("parameters", "state_bytes", "prefill_flops_per_token", "decode_flops_per_token"):
        table.add_row(name, f"{getattr(found, name):,.0f}")
    table.add_row("fits_in_memory", {True: "yes", False: "no", None: "unknown"}[found.fits_in_memory])
    console.print(table)
    for note in found.notes:
        console.print(f"{note}; the interval is wider for it", highlight=False, markup=False)


def pairs(found: dict[str, Any], console: Console) -> None:
    """Names and values."""
    table = new_table("", "", "")
    for key, value in found.items():
        text = json.dumps(value) if isinstance(value, dict | list) else str(value)
        table.add_row(key, escape(text))
    console.print(table)


def devices(name: str | None, console: Console, say: Say) -> None:
    """All devices, or the file of one."""
    if name is not None:
        console.print(
            resolve_device(name, progress=say).to_yaml(), highlight=False, markup=False, soft_wrap=True
        )
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


def architectures(name: str | None, console: Console) -> None:
    """Reference layouts and published models, or one of them."""
    if name is None:
        table = new_table("reference layouts", "name", "motif", "source")
        for known in REFERENCES.values():
            table.add_row(known.name, escape(known.motif), known.source)
        console.print(table)
        table = new_table("published models", "name", "parameters", "blocks", "width")
        for known_model in model_names():
            a = model(known_model)
            table.add_row(known_model, f"{accounting.parameters(a):,}", str(len(a.blocks)), str(a.width))
        console.print(table)
    elif name in model_names():
        print(model(name).to_json(), end="")  # noqa: T201
    elif name in REFERENCES:
        known = reference(name)
        console.print(f"{known.motif}\n{known.source}", highlight=False, markup=False)
    else:
        legal = ", ".join([*REFERENCES, *model_names()])
        raise InvalidInput(f"unknown architecture {name!r}; known: {legal}")


def new_table(title: str, *columns: str) -> Table:
    """An empty table; its columns fold, but the first."""
    table = Table(title=escape(title) or None, title_justify="left", show_header=any(columns))
    for index, column in enumerate(columns):
        # Names stay whole, so that they can be copied and searched for.
        table.add_column(column, overflow="fold", no_wrap=index == 0)
    return table
