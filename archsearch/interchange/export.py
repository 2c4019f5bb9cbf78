"""`export`: a winner, or any architecture file, in a form that others can use."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archsearch.campaign.directory import LoadedRun, load_run
from archsearch.campaign.results import Candidate
from genomes import Architecture, InvalidInput, accounting, load_architecture
from genomes.files import write_json

Format = Literal["spec", "flax"]
FORMATS: tuple[Format, ...] = ("spec", "flax")


@dataclass(frozen=True)
class Source:
    """What is exported: the trained proxy where there is one, and the architecture to deploy."""

    architecture: Architecture
    run: LoadedRun | None = None
    candidate: Candidate | None = None
    proxy: Architecture | None = None


def find_source(text: str) -> Source:
    """`DIR#ID` of a run, or an `.arch.json`. Raises `InvalidInput` listing the ids of the front."""
    path, separator, identifier = text.rpartition("#")
    if not separator:
        return Source(load_architecture(text))
    loaded = load_run(path)
    results = loaded.results()
    try:
        candidate = results.candidate(identifier)
    except KeyError:
        known = ", ".join(results.front) or "none yet"
        raise InvalidInput(f"{text}: no single candidate {identifier!r}; the front: {known}") from None
    folder = loaded.directory.candidate(candidate.fingerprint)
    target = load_architecture(folder / "target.arch.json")
    return Source(target, loaded, candidate, load_architecture(folder / "arch.json"))


def export(source: str, format: str, out: Path | str) -> Path:
    """Write `source` into the new folder `out`; returns it.

    `spec`: the target's `.arch.json` and a card to read. `flax`: the proxy's `.arch.json`, its trained
    weights for each task as Orbax checkpoints, and the card; load one with
    `proxies.training.checkpoints.load_weights`. Raises `InvalidInput` where the folder exists, the format is
    unknown or nothing was trained.
    """
    if format not in FORMATS:
        raise InvalidInput(f"format = {format!r}; legal: {', '.join(FORMATS)}")
    found, out = find_source(source), Path(out)
    if out.exists():
        raise InvalidInput(f"{out} exists; give --out a new folder")
    if format == "flax" and (found.run is None or found.candidate is None):
        raise InvalidInput(
            f"{source}: an architecture file has no trained weights; flax needs DIR#ID of a run, "
            "or archsearch train with --out"
        )
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        name = found.candidate.name if found.candidate else found.architecture.name or "architecture"
        (partial / "README.md").write_text(_card(found, name, source, format), encoding="utf-8")
        (partial / f"{_slug(name)}.arch.json").write_text(found.architecture.to_json(), encoding="utf-8")
        if format == "flax":
            _write_weights(found, partial)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write_weights(source: Source, out: Path) -> None:
    from proxies.training.checkpoints import read_trial_weights, save_weights

    assert source.run is not None and source.candidate is not None and source.proxy is not None
    candidate = source.candidate
    chosen = source.run.standing.chosen(source.proxy.fingerprint, candidate.rung)
    if not chosen:
        raise InvalidInput(f"{candidate.id} was never trained to the end of a rung ({candidate.cause})")
    for (task, replicate), trial in chosen.items():
        weights = read_trial_weights(source.run.directory.path / trial.directory)
        architecture = source.proxy.with_vocabulary(weights["embedding"].shape[0])
        folder = out / (task if replicate == 0 else f"{task}-{replicate}")
        folder.mkdir()
        (folder / "proxy.arch.json").write_text(architecture.to_json(), encoding="utf-8")
        write_json(folder / "result.json", trial.result.to_dict())
        save_weights(folder / "weights", weights)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "-" for c in name)[:80] or "architecture"


def _card(source: Source, name: str, origin: str, format: str) -> str:
    """A readable account of what is exported."""
    a = source.architecture
    lines = [f"# {name}", ""]
    if source.candidate is not None:
        lines += [f"Layout: `{source.candidate.pattern}`", ""]
    lines += [
        f"Exported by archsearch from `{Path(origin).name}`.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {accounting.parameters(a):,} |",
        f"| width | {a.width} |",
        f"| blocks | {len(a.blocks)} |",
        f"| vocabulary | {a.vocab_size:,} |",
        f"| fingerprint | `{a.fingerprint}` |",
    ]
    if a.weights is not None:
        lines.append(f"| weights to be stored in | {a.weights} |")
    if a.cache is not None:
        lines.append(f"| KV cache and recurrent states to be stored in | {a.cache} |")
    for context in (1024, 4096, 32768):
        size = accounting.state_bytes(a, context, bytes_per_element=2)
        lines.append(f"| state at {context:,} tokens, 2 bytes an element | {size / 1e6:,.2f} MB |")
    if source.candidate is not None:
        lines += ["", "## What the search measured", "", "| | |", "|---|---|"]
        lines += [f"| `{key}` | {value:.6g} |" for key, value in source.candidate.objectives.items()]
        lines += [f"| `{key}` (proxy) | {value:.6g} |" for key, value in source.candidate.signals.items()]
    if format == "flax":
        lines += [
            "",
            "## Loading the proxy's weights",
            "",
            "Each task has a folder with the trained proxy: a small model of the same layout.",
            "",
            "```python",
            "from genomes import load_architecture",
            "from proxies.training.checkpoints import load_weights",
            "from proxies.model import Model",
            "",
            'architecture = load_architecture("TASK/proxy.arch.json")',
            'weights = load_weights("TASK/weights", architecture)',
            'logits = Model(architecture).apply({"params": weights}, tokens, method="forward")',
            "```",
        ]
    lines += ["", "## Blocks", ""]
    lines += [f"{i}. `{block.name}` {block}" for i, block in enumerate(a.blocks)]
    return "\n".join(lines) + "\n"
