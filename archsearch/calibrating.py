"""`archsearch calibrate`: a profile of this machine from measured blocks.

Blocks of every operator are measured over a grid of widths and contexts, each operator in fresh processes
(`proxies.calibrating`; this module stays free of jax), and fitted (`hardware_profiles.families`). Rows are
kept beside the profile as they come, so that an interrupted calibration goes on where it stopped.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from archsearch.devices import measure_device, write_whole
from archsearch.fresh_process import environment
from archsearch.measuring import STORED_WEIGHTS, measure_once
from genomes import InvalidInput, Scale, parse_layout
from hardware_profiles import DTYPES, Device, Workload, predict
from hardware_profiles.drift import drifts
from hardware_profiles.families import HEAD, PHASES, Case, Measured, fit_families

LAYOUTS: tuple[str, ...] = (
    "attention(kv=1/4)",
    "attention",
    "attention(kv=1/4,window=256)",
    "mla",
    "attention-attention",
    "linear_attention",
    "gated_linear_attention",
    "gated_deltanet",
    "kda",
    "mamba2",
    "rg_lru",
    "s4d",
    "s5",
    "s6",
    "short_conv",
    "hyena",
    "hyena_x",
    "hyena_y",
    "swiglu",
    "geglu",
    "mlp",
    "moe",
)
"""Blocks that are measured, as layouts write them; those of an operator are fitted together."""
HEAD_DIM = 64
SMALL_VOCABULARY = 256
"""Of the stacks, so that blocks are what takes the time."""
VOCABULARIES = (4096, 32768)
"""At which embedding and logits are measured."""
STACK_PARAMETERS = 4_000_000
"""Blocks of a stack together, at least, as far as `MOST_COPIES` allows."""
FEWEST_COPIES, MOST_COPIES = 2, 4
MOST_TOKENS = 32768
"""Of all sequences of a batch together."""

Progress = Callable[[int, int, str], None]
"""Told cases done, cases in all, and what comes next."""


@dataclass(frozen=True)
class Grid:
    """What is measured; every width with every context."""

    widths: tuple[int, ...]
    contexts: tuple[int, ...]
    """For operators whose state is of one size."""
    growing: tuple[int, ...]
    """For those whose state grows with the context."""
    batches: tuple[int, ...] = (1,)
    types: tuple[str, ...] = ("float32",)
    """Of the arithmetic, and after a slash what weights are stored in where that is another."""


GRIDS = {
    "quick": Grid(widths=(256, 512, 1024), contexts=(256, 1024), growing=(256, 1024, 2048)),
    "full": Grid(
        widths=(256, 512, 1024, 2048, 4096),
        contexts=(256, 1024),
        growing=(256, 1024, 4096, 16384, 32768),
        batches=(1, 4, 16),
        types=("float32", "bfloat16", "float32/int8", "float32/int4"),
    ),
}


def calibrate(
    name: str,
    out: Path,
    grid: str | Grid = "quick",
    layouts: Sequence[str] = LAYOUTS,
    progress: Progress | None = None,
    types: Sequence[str] | None = None,
) -> Device:
    """Measure this machine, fit a profile, write it to `out`, and give it back.

    `types` take the place of the grid's.

    Rows go to `out` with `.rows.jsonl` in place of its suffix, one a line; those that lie there already are
    not measured again.

    Raises `InvalidInput` where `out` exists, the grid is unknown or the rows are not those of this program,
    `RuntimeError` where measuring fails.
    """
    if out.exists():
        raise InvalidInput(f"{out} exists; give another file, or remove it")
    if isinstance(grid, str):
        if grid not in GRIDS:
            raise InvalidInput(f"grid = {grid!r}; legal: {', '.join(GRIDS)}")
        grid = GRIDS[grid]
    if types is not None:
        grid = replace(grid, types=tuple(types))
    wanted = list(cases(grid, layouts))
    kept = out.with_suffix(".rows.jsonl")
    done = _read(kept)
    device = measure_device(name)
    groups: dict[str, list[Case]] = {}
    for case in wanted:
        if _key(case) not in done:
            groups.setdefault(case.operator, []).append(case)
    out.parent.mkdir(parents=True, exist_ok=True)
    finished = len(wanted) - sum(map(len, groups.values()))
    with kept.open("a", encoding="utf-8") as file:
        for operator, group in groups.items():
            for answer in _in_fresh_process(group):
                if progress is not None:
                    progress(finished, len(wanted), operator)
                file.write(json.dumps(answer) + "\n")
                file.flush()
                done[_key(Case.model_validate(answer["case"]))] = answer
                finished += 1
    keys = {_key(case) for case in wanted}
    profile = _profile(device, [answer for key, answer in done.items() if key in keys])
    profile = profile.model_copy(update={"process_bytes": _process_bytes(profile, grid)})
    write_whole(out, profile.to_yaml())
    return profile


def _process_bytes(profile: Device, grid: Grid) -> float:
    """By how much a small model's peak memory is above its prediction."""
    scale = Scale(width=min(grid.widths), head_dim=HEAD_DIM, vocab_size=VOCABULARIES[0], blocks=4)
    architecture = parse_layout("short_conv swiglu(2)").at(scale)
    workload = Workload(context=max(grid.contexts))
    found = measure_once(architecture, workload)["peak_memory_bytes"]
    return max(0.0, float(found - predict(architecture, profile, workload).peak_memory_bytes.value))


def cases(grid: Grid, layouts: Sequence[str]) -> Iterator[Case]:
    """Every stack of a grid; the empty ones first, then operator after operator.

    Raises `InvalidInput` for types that jax does not run.
    """
    types = [read_types(text) for text in grid.types]
    for (dtype, weights), width, context, vocabulary, batch in product(
        types, grid.widths, grid.contexts[-1:], VOCABULARIES, grid.batches
    ):
        yield Case(
            operator=HEAD,
            block={},
            width=width,
            vocab_size=vocabulary,
            copies=1,
            context=context,
            batch=batch,
            dtype=dtype,
            weights=weights,
        )
    for text, (dtype, weights), width in product(layouts, types, grid.widths):
        scale = Scale(width=width, head_dim=HEAD_DIM, vocab_size=SMALL_VOCABULARY)
        block = parse_layout(text).blocks[0].at(scale)
        grows = block.state_elements(width, 1024) > block.state_elements(width, 512)
        copies = -(-STACK_PARAMETERS // block.parameters(width))
        for context, batch in product(grid.growing if grows else grid.contexts, grid.batches):
            if context * batch > MOST_TOKENS:
                continue
            yield Case(
                operator=block.name,
                block=block.to_dict(),
                width=width,
                vocab_size=SMALL_VOCABULARY,
                copies=max(FEWEST_COPIES, min(MOST_COPIES, copies)),
                context=context,
                batch=batch,
                dtype=dtype,
                weights=weights,
            )


def read_types(text: str) -> tuple[str, str | None]:
    """Types of arithmetic and weights, the second None where they are the same; `float32/int8`."""
    dtype, slash, weights = text.partition("/")
    if dtype not in DTYPES or (slash and weights not in STORED_WEIGHTS):
        raise InvalidInput(
            f"types = {text!r}; legal: {', '.join(DTYPES)}, and after a slash {' or '.join(STORED_WEIGHTS)}"
        )
    return dtype, weights or None


def _profile(device: Device, answers: list[dict[str, Any]]) -> Device:
    """Fit what was measured, in the order of time; cases that failed are counted."""
    found = [answer for answer in answers if "error" not in answer]
    usual = {phase: median(answer["yardstick"][phase] for answer in found) for phase in PHASES}
    rows = [
        Measured.model_validate({k: v for k, v in answer.items() if k != "yardstick"} | {"drift": drift})
        for answer, drift in zip(found, drifts([a["yardstick"] for a in found], usual), strict=True)
    ]
    return device.model_copy(
        update={
            "calibration": "calibrated",
            "families": fit_families(rows),
            "yardstick_s": usual,
            "cases_failed": len(answers) - len(found),
            "cases_unstable": sum(row.unstable for row in rows),
        }
    )


def _key(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json"), sort_keys=True)


def _read(kept: Path) -> dict[str, dict[str, Any]]:
    """What an earlier calibration measured; a torn last line is cut off."""
    found: dict[str, dict[str, Any]] = {}
    text = kept.read_text(encoding="utf-8") if kept.exists() else ""
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        kept.write_text(text, encoding="utf-8")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            answer = json.loads(line)
            found[_key(Case.model_validate(answer["case"]))] = answer
        except (ValueError, KeyError, TypeError):
            raise InvalidInput(
                f"{kept}: line {number} is not a measured case; remove the file to measure again"
            ) from None
    return found


def _in_fresh_process(group: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """The answer to each case of an operator."""
    request = json.dumps({"cases": [case.model_dump(mode="json") for case in group]})
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "proxies.calibrating"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment(),
            text=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request)
        process.stdin.close()
        answered = 0
        for line in process.stdout:
            answered += 1
            yield json.loads(line)
        process.wait()
        said.seek(0)
        end = "\n".join(said.read().strip().splitlines()[-5:])
    if answered < len(group):
        case = group[answered]
        raise RuntimeError(
            f"measuring {case.operator} at width {case.width}, context {case.context} ended with exit code "
            f"{process.returncode}; what was measured is kept\n{end}"
        )
