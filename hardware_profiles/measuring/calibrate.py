"""`archsearch calibrate`: a profile of this machine from measured blocks.

Blocks of every operator are measured over a grid of widths and contexts, each operator in fresh processes
(`hardware_profiles.runtimes.table` says by which program; this module stays free of jax), and fitted
(`hardware_profiles.curves`). Rows are kept beside the profile as they come, so that an interrupted
calibration goes on where it stopped.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from genomes import InvalidInput, Scale, parse_layout
from genomes.files import write_whole
from hardware_profiles import Device, Workload, predict
from hardware_profiles.cases import DISTURBED, PHASES, UNSTABLE, Case, Measured
from hardware_profiles.curves import fit_families
from hardware_profiles.energy import power_figure
from hardware_profiles.measuring import profile as runtime_profile
from hardware_profiles.measuring.grid import GRIDS, HEAD_DIM, VOCABULARIES, Grid, cases
from hardware_profiles.measuring.measure import measure_once
from hardware_profiles.measuring.process import started
from hardware_profiles.measuring.this_machine import measure_device
from hardware_profiles.runtimes.table import JAX, Runtime, find_runtime, read_types
from hardware_profiles.timing.drift import drifts
from hardware_profiles.traits import traits_of

ROWS = ".rows.jsonl"
"""In place of the profile's suffix: where rows are kept."""
MIXED_BLOCKS = 8
"""Of the models that tell what a process holds beside weights, state and programs."""

Progress = Callable[[int, int, str], None]
"""Told cases done, cases in all, and what comes next."""


def calibrate(
    name: str,
    out: Path,
    grid: str | Grid = "quick",
    layouts: Sequence[str] | None = None,
    progress: Progress | None = None,
    types: Sequence[str] | None = None,
    runtime: str = JAX.name,
) -> Device:
    """Measure this machine with a runtime, fit a profile, write it to `out`, and give it back.

    `types` take the place of the grid's, `layouts` that of the runtime's.

    Rows go to `out` with `.rows.jsonl` in place of its suffix, one a line; cases that lie there already are
    not measured again. Unstable ones are measured once more at the end, and the steadier answer counts.

    Raises `InvalidInput` where `out` exists, the grid is unknown or the rows are not those of this program
    and of this very runtime, `RuntimeError` where measuring fails.
    """
    if out.exists():
        raise InvalidInput(f"{out} exists; give another file, or remove it")
    if isinstance(grid, str):
        if grid not in GRIDS:
            raise InvalidInput(f"grid = {grid!r}; legal: {', '.join(GRIDS)}")
        grid = GRIDS[grid]
    if types is not None:
        grid = replace(grid, types=tuple(types))
    chosen = find_runtime(runtime)
    wanted = list(cases(grid, layouts or chosen.layouts, chosen))
    kept = out.with_suffix(ROWS)
    done = read_rows(kept)
    _same_origin(kept, done.values(), chosen)
    chosen.require()
    probed = measure_device(name) if traits_of(chosen.provenance).rooflines else None
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    out.parent.mkdir(parents=True, exist_ok=True)
    missing = [case for case in wanted if _key(case) not in done]
    finished = len(wanted) - len(missing)
    with kept.open("a", encoding="utf-8") as file:

        def take(pending: list[Case], total: int) -> None:
            nonlocal finished
            with closing(_answers(pending, chosen)) as answers:  # whatever happens in between
                for answer in answers:
                    if progress is not None:
                        progress(finished, total, answer["case"]["operator"])
                    _same_origin(kept, [*done.values(), answer], chosen)
                    file.write(json.dumps(answer) + "\n")
                    file.flush()
                    _keep(answer, done)
                    finished += 1

        take(missing, len(wanted))
        unstable = [case for case in wanted if _unrest(done[_key(case)]) > UNSTABLE]
        take(unstable, len(wanted) + len(unstable))
    keys = {_key(case) for case in wanted}
    profile = _profile(name, probed, [done[key] for key in done if key in keys], load_average)
    profile = profile.model_copy(update=_of_whole_models(profile, grid, chosen))
    write_whole(out, profile.to_yaml())
    return profile


def _of_whole_models(profile: Device, grid: Grid, runtime: Runtime) -> dict[str, Any]:
    """What small models of several operators tell: `process_bytes`, by which their peak memory is above its
    prediction, and `power_w` where it can be measured.

    Under a runtime whose operators have no other price than the measured, models of those that this
    calibration left out are passed over.
    """
    priced = {family.operator for family in profile.families}
    scale = Scale(
        width=grid.middle, head_dim=HEAD_DIM, vocab_size=VOCABULARIES[0], blocks=MIXED_BLOCKS, repeat="stack"
    )
    dtype, weights, cache = read_types((grid.types or runtime.most_types)[0], runtime)
    workload = Workload(context=max(grid.contexts), dtype=dtype, weights=weights, cache=cache)
    beyond, power = [], []
    for text in runtime.mixed:
        architecture = parse_layout(text).at(scale)
        unpriced = {block.name for block in architecture.blocks} - priced
        if unpriced and not traits_of(runtime.provenance).rooflines:
            continue
        found = measure_once(architecture, workload, runtime)
        predicted = predict(architecture, profile, workload).peak_memory_bytes.value
        beyond.append(found["peak_memory_bytes"] - predicted)
        power.append(found.get("power_w", {}))
    return {
        "process_bytes": max(0.0, float(median(beyond))) if beyond else 0.0,
        "power_w": power_figure(power) or profile.power_w,
    }


def _profile(
    name: str, probed: Device | None, answers: list[dict[str, Any]], load_average: float | None
) -> Device:
    """Fit what was measured, in the order of time; cases that failed are counted. `probed` is what jax found
    of the machine."""
    found = [answer for answer in answers if "error" not in answer]
    if not found:
        raise RuntimeError(f"no case could be measured: {answers[0]['error']}")
    usual = {phase: median(answer["yardstick"][phase] for answer in found) for phase in PHASES}
    rows = [
        Measured.model_validate(
            {key: value for key, value in answer.items() if key not in ("yardstick", "origin")}
            | {"drift": drift}
        )
        for answer, drift in zip(found, drifts([a["yardstick"] for a in found], usual), strict=True)
    ]
    if probed is None:
        profile = runtime_profile.device(name, rows, found[0]["origin"], load_average)
    else:
        profile = probed.model_copy(update={"calibration": "calibrated", "families": fit_families(rows)})
    return profile.model_copy(
        update={
            "yardstick_s": usual,
            "cases_failed": len(answers) - len(found),
            "cases_unstable": sum(row.unstable for row in rows),
        }
    )


def _same_origin(kept: Path, answers: Iterable[dict[str, Any]], runtime: Runtime) -> None:
    """Raise `InvalidInput` unless all were measured by this runtime, of one version, on as many threads."""
    origins = {_origin(answer) for answer in answers}
    if len(origins) > 1 or any(not name.startswith(runtime.provenance) for name, _, _ in origins):
        found = " and ".join(sorted(" ".join(origin) for origin in origins))
        raise InvalidInput(
            f"{kept}: rows of {found}, asked for {runtime.name}; tables of two runtimes, versions or numbers "
            "of threads are never mixed: give another --out, or remove the file to measure again"
        )


def _origin(answer: dict[str, Any]) -> tuple[str, str, str]:
    """By which runtime, version and threads a case was measured; jax where an older row does not say."""
    origin = answer.get("origin") or {"runtime": "jax-cpu", "version": "unknown", "threads": "unknown"}
    return str(origin["runtime"]), str(origin["version"]), f"({origin['threads']} threads)"


def _keep(answer: dict[str, Any], done: dict[str, dict[str, Any]]) -> None:
    """Add an answer as the last in time, unless there is a steadier one of the same case."""
    key = _key(Case.model_validate(answer["case"]))
    if key not in done or _unrest(answer) < _unrest(done[key]):
        done.pop(key, None)
        done[key] = answer


def _unrest(answer: dict[str, Any]) -> float:
    """The largest spread of an answer's samples; infinite where other programs were in the way, and 0 where
    there is no time: a case that failed fails again."""
    if answer.get("other_load", 0.0) > DISTURBED:
        return inf
    return max(float(answer.get(f"{phase}_spread", 0.0)) for phase in PHASES)


def _key(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json"), sort_keys=True)


def read_rows(kept: Path) -> dict[str, dict[str, Any]]:
    """What an earlier calibration measured, by case, in the order of time; a torn last line is cut off."""
    found: dict[str, dict[str, Any]] = {}
    text = kept.read_text(encoding="utf-8") if kept.exists() else ""
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        kept.write_text(text, encoding="utf-8")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            _keep(json.loads(line), found)
        except (ValueError, KeyError, TypeError):
            raise InvalidInput(
                f"{kept}: line {number} is not a measured case; remove the file to measure again"
            ) from None
    return found


def _answers(pending: Sequence[Case], runtime: Runtime) -> Generator[dict[str, Any], None, None]:
    """The answer to each case, operator after operator."""
    groups: dict[str, list[Case]] = {}
    for case in pending:
        groups.setdefault(case.operator, []).append(case)
    for group in groups.values():
        yield from _in_fresh_process(runtime, group)


def _in_fresh_process(runtime: Runtime, group: Sequence[Case]) -> Generator[dict[str, Any], None, None]:
    """The answer to each case of an operator."""
    request = json.dumps({"cases": [case.model_dump(mode="json") for case in group]})
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        started(
            runtime.calibrating,
            runtime.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
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
