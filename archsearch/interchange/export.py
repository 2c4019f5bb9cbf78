"""`export`: a winner, or any architecture file, in a form that others can use."""

import secrets
import shutil
from pathlib import Path
from typing import Literal, get_args

from archsearch.interchange.card import card
from archsearch.interchange.flax import write_proxy
from archsearch.interchange.source import find_source
from genomes.errors import refused

Format = Literal["spec", "flax"]
FORMATS: tuple[Format, ...] = get_args(Format)


def export(source: str, format: str, out: Path | str) -> Path:
    """Write `source` into the new folder `out`; returns it.

    `spec`: the target's `.arch.json` and a card to read. `flax`: the proxy's `.arch.json`, its trained
    weights for each task as Orbax checkpoints, and the card; `proxies.load_weights` reads one. Raises
    `InvalidInput` where the folder exists, the format is unknown or nothing was trained.
    """
    if format not in FORMATS:
        raise refused("format", format, ", ".join(FORMATS))
    exported, out = find_source(source), Path(out)
    if out.exists():
        raise refused("out", out, "a new folder")
    if format == "flax" and exported.trained is None:
        raise refused(
            "source",
            source,
            "DIR#ID of a run for flax, since an architecture file has no trained weights",
            "archsearch train with --out trains it",
        )
    partial = out.with_name(f".{out.name[:40]}.{secrets.token_hex(4)}.partial")  # nobody else's
    partial.mkdir(parents=True)
    try:
        file = f"{_file_name(exported.name)}.arch.json"
        (partial / "README.md").write_text(card(exported, with_weights=format == "flax"), encoding="utf-8")
        (partial / file).write_text(exported.architecture.to_json(), encoding="utf-8")
        if format == "flax" and exported.trained is not None:
            write_proxy(exported.trained, partial)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name)[:80] or "architecture"
