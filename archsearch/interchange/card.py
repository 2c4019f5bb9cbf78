"""The card of an export: what it is, what was predicted, measured and trained, how to load it."""

from collections.abc import Iterable
from pathlib import Path

from archsearch.campaign.objectives import QUALITY, Objective
from archsearch.campaign.results import Candidate, FinalTraining, Results
from archsearch.interchange.source import Source
from genomes import Architecture, accounting

CONTEXTS = (1024, 4096, 32768)
"""Tokens at which the card says how large the state is."""

LOADING = """## Loading the proxy's weights

Each task has a folder with the trained proxy: a small model of the same layout.

```python
from genomes import load_architecture
from proxies import Model, load_weights

architecture = load_architecture("TASK/proxy.arch.json")
weights = load_weights("TASK/weights", architecture)
logits = Model(architecture).apply({"params": weights}, tokens, method="forward")
```"""


def card(source: Source, with_weights: bool = False) -> str:
    """A readable account of what is exported, in Markdown."""
    architecture, trained = source.architecture, source.trained
    parts = [f"# {_cell(source.name)}"]
    if trained is not None:
        parts.append(f"Layout: {_code(trained.candidate.pattern)}")
        if stretched := trained.results.stretched(trained.candidate):
            parts.append(f"Stretched to the target's blocks, each repeated in place: {_code(stretched)}")
    parts += [f"Exported by archsearch from {_code(Path(source.origin).name)}.", _sizes(architecture)]
    if trained is not None:
        candidate, results = trained.candidate, trained.results
        parts += [*_predicted(candidate, results), *_measured(candidate, results)]
        parts += _scores(candidate, results)
    if with_weights:
        parts.append(LOADING)
    parts.append("## Blocks")
    parts.append("\n".join(f"{i}. `{block.name}` {block}" for i, block in enumerate(architecture.blocks)))
    return "\n\n".join(parts) + "\n"


def _sizes(a: Architecture) -> str:
    rows = [
        ("parameters", f"{accounting.parameters(a):,}"),
        ("width", str(a.width)),
        ("blocks", str(len(a.blocks))),
        ("vocabulary", f"{a.vocab_size:,}"),
        ("fingerprint", f"`{a.fingerprint}`"),
    ]
    if a.weights is not None:
        rows.append(("weights to be stored in", a.weights))
    if a.cache is not None:
        rows.append(("KV cache and recurrent states to be stored in", a.cache))
    for context in CONTEXTS:
        size = accounting.state_bytes(a, context, bytes_per_element=2)
        rows.append((f"state at {context:,} tokens, 2 bytes an element", f"{size / 1e6:,.2f} MB"))
    return _table(("", ""), rows)


def _predicted(candidate: Candidate, results: Results) -> list[str]:
    """Costs, which follow from the architecture and the device's profile; nothing ran."""
    rows = [
        (
            _figure(o),
            f"{candidate.objectives[o.name]:.6g}",
            _interval(candidate.intervals.get(o.name)),
            _device(o, results),
        )
        for o in results.objectives
        if o.metric != QUALITY and o.name in candidate.objectives
    ]
    return _section("Predicted", ("cost", "value", "interval", "device"), rows)


def _measured(candidate: Candidate, results: Results) -> list[str]:
    """Figures of a finalist, which ran on the device."""
    rows = []
    for o in results.objectives:
        if (summary := candidate.measured.get(o.name)) is not None:
            rows.append((_figure(o), f"{summary.median:.6g}", f"{summary.p10:.6g} to {summary.p90:.6g}"))
        elif (cause := candidate.measured_failures.get(o.name)) is not None:
            rows.append((_figure(o), "failed", _cell(cause)))
    return _section("Measured", ("figure", "median", "10th to 90th percentile"), rows)


def _scores(candidate: Candidate, results: Results) -> list[str]:
    """Scores of the proxy, the small model of the same layout that was trained: those that the search went
    by, and those of the training after it."""
    facts, final = {each.task: each.scale for each in results.tasks}, candidate.final or FinalTraining()
    rows = []
    for name, score in candidate.signals.items():
        task = name.removeprefix("score[").removesuffix("]")
        scale = facts.get(task)
        words = scale.baseline.words if scale is not None and scale.baseline is not None else ""
        noise = _number(None if scale is None else scale.noise)
        rows.append((task, _number(score), _number(final.scores.get(task)), words, noise))
    for o in results.objectives:
        if o.metric == QUALITY and o.name in candidate.objectives:
            during = _number(candidate.objectives[o.name], candidate.quality_error)
            rows.append((o.label, during, _number(final.quality, final.quality_error), "", ""))
    header = ("task", "score", "after the search", "score 0 is", "noise of a seed")
    kept = [index for index in range(len(header)) if index < 2 or any(row[index] for row in rows)]
    table = [tuple(_cell(row[index]) for index in kept) for row in rows]
    steps = f" for {results.rungs[candidate.rung]} steps" if candidate.rung >= 0 else ""
    parts = _section(f"Trained as a proxy{steps}", tuple(header[index] for index in kept), table)
    if final.failure is not None:
        parts.append(f"The training after the search failed: {_cell(final.failure)}.")
    elif final.scores:
        seeds = max(final.replicates.values())
        parts.append(f"The search went by validation; after it, {seeds} fresh seeds were judged on test.")
    return parts


def _number(value: float | None, error: float | None = None) -> str:
    """A number with its standard error, as far as they are known."""
    if value is None:
        return ""
    return f"{value:.6g}" if error is None else f"{value:.6g} ± {error:.2g}"


def _cell(text: str) -> str:
    """Text that breaks no table, and in which nothing is a link, a picture or HTML."""
    for special, shown in (("|", r"\|"), ("\n", " "), ("<", "&lt;"), ("[", r"\["), ("`", "'")):
        text = text.replace(special, shown)
    return text


def _code(text: str) -> str:
    """Text between backticks."""
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"


def _figure(objective: Objective) -> str:
    """What a number is and its unit, as a cell of a table."""
    label = _cell(objective.label)
    return f"{label} ({objective.unit})" if objective.unit else label


def _interval(ends: tuple[float, float] | None) -> str:
    if ends is None or ends[0] == ends[1]:
        return "exact"
    return f"{ends[0]:.6g} to {ends[1]:.6g}"


def _device(objective: Objective, results: Results) -> str:
    """The device and how it is known, such as `raspberry-pi-5, spec-only profile`."""
    if objective.device is None:
        return ""
    calibration = results.devices.get(objective.device, {}).get("calibration", "unknown")
    return _cell(f"{objective.device}, {calibration} profile")


def _section(title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = list(rows)
    return [f"## {title}", _table(header, lines)] if lines else []


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
