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
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from genomes import InvalidInput, Scale, parse_layout
from genomes.files import write_whole
from hardware_profiles.cases import PHASES, Case
from hardware_profiles.cost import price
from hardware_profiles.curves import fit_families
from hardware_profiles.device import Device, Power
from hardware_profiles.energy import power_figure
from hardware_profiles.measuring import profile as runtime_profile
from hardware_profiles.measuring.grid import GRIDS, HEAD_DIM, VOCABULARIES, Grid, cases
from hardware_profiles.measuring.measure import measure_once
from hardware_profiles.measuring.process import WORKER, started
from hardware_profiles.measuring.rows import CaseAnswer, Rows
from hardware_profiles.measuring.this_machine import measure_device
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import JAX, find_runtime, read_types
from hardware_profiles.timing.drift import drifts
from hardware_profiles.traits import traits_of
from hardware_profiles.workload import Workload

ROWS = ".rows.jsonl"
"""Suffix of the file of rows, in place of the profile's."""
MIXED_BLOCKS = 8
"""Blocks of the models that tell what a process holds beside weights, state and programs."""

Progress = Callable[[int, int, str], None]
"""Receives cases done, cases in all, and what comes next."""


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
    rows = Rows(out.with_suffix(ROWS))
    rows.check_origin(chosen)
    chosen.require()
    probed = measure_device(name) if traits_of(chosen.provenance).rooflines else None
    load_average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    out.parent.mkdir(parents=True, exist_ok=True)
    missing = rows.missing(wanted)
    _measure(missing, rows, chosen, len(wanted) - len(missing), progress)
    _measure(rows.unstable(wanted), rows, chosen, len(wanted), progress)
    profile = _profile(name, probed, rows.answers(wanted), load_average)
    whole = _whole_models(profile, grid, chosen)
    power_w = whole.power_w or profile.power_w
    profile = profile.model_copy(update={"process_bytes": whole.process_bytes, "power_w": power_w})
    write_whole(out, profile.to_yaml())
    return profile


def _measure(
    pending: Sequence[Case], rows: Rows, runtime: Runtime, done: int, progress: Progress | None
) -> None:
    """Measure cases into the rows, `done` others being behind them."""
    total = done + len(pending)
    with closing(_answers(pending, runtime)) as answers:  # whatever happens in between
        for number, answer in enumerate(answers, done):
            if progress is not None:
                progress(number, total, answer.case.operator)
            rows.add(answer, runtime)


@dataclass(frozen=True)
class _WholeModels:
    """What small models of several operators tell of a process."""

    process_bytes: float
    """Bytes by which their peak memory is above its prediction."""
    power_w: Power | None
    """Power while they ran, where it can be measured."""


def _whole_models(profile: Device, grid: Grid, runtime: Runtime) -> _WholeModels:
    """Measure them; those with an operator that has no price are passed over."""
    priced = {family.operator for family in profile.families}
    scale = Scale(
        width=grid.middle, head_dim=HEAD_DIM, vocab_size=VOCABULARIES[0], blocks=MIXED_BLOCKS, repeat="stack"
    )
    dtype, weights, cache = read_types((grid.types or runtime.full_grid_types)[0], runtime)
    workload = Workload(context=max(grid.contexts), dtype=dtype, weights=weights, cache=cache)
    beyond, power = [], []
    for text in runtime.whole_models:
        architecture = parse_layout(text).at(scale)
        unpriced = {block.name for block in architecture.blocks} - priced
        if unpriced and not traits_of(runtime.provenance).rooflines:
            continue
        answer = measure_once(architecture, workload, runtime)
        predicted = price(architecture, profile, workload, "peak_memory_bytes").value
        beyond.append(answer.peak_memory_bytes - predicted)
        power.append(answer.power_w)
    return _WholeModels(max(0.0, float(median(beyond))) if beyond else 0.0, power_figure(power))


def _profile(
    name: str, probed: Device | None, answers: Sequence[CaseAnswer], load_average: float | None
) -> Device:
    """Fit what was measured, in the order of time; cases that failed are counted. `probed` has the rooflines
    of the machine, where the runtime has some."""
    timed = [answer for answer in answers if answer.error is None]
    if not timed:
        raise RuntimeError(f"no case could be measured: {answers[0].error}")
    readings = [answer.yardstick_s for answer in timed]
    usual = {phase: median(reading[phase] for reading in readings) for phase in PHASES}
    rows = [answer.measured(drift) for answer, drift in zip(timed, drifts(readings, usual), strict=True)]
    if probed is None:
        profile = runtime_profile.device(name, rows, timed[0].origin, load_average)
    else:
        profile = probed.model_copy(update={"calibration": "calibrated", "families": fit_families(rows)})
    return profile.model_copy(
        update={
            "yardstick_s": usual,
            "cases_failed": len(answers) - len(timed),
            "cases_unstable": sum(row.unstable for row in rows),
        }
    )


def _answers(pending: Sequence[Case], runtime: Runtime) -> Generator[CaseAnswer, None, None]:
    """The answer to each case, operator after operator."""
    groups: dict[str, list[Case]] = {}
    for case in pending:
        groups.setdefault(case.operator, []).append(case)
    for group in groups.values():
        yield from _in_fresh_process(runtime, group)


def _in_fresh_process(runtime: Runtime, group: Sequence[Case]) -> Generator[CaseAnswer, None, None]:
    """The answer to each case of an operator."""
    request = json.dumps({"cases": [case.model_dump(mode="json") for case in group]})
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        started(
            (WORKER, runtime.sessions, "cases"),
            runtime.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request)
        process.stdin.close()
        answered = 0
        for line in process.stdout:
            answered += 1
            yield CaseAnswer.read(json.loads(line))
        process.wait()
        complaints.seek(0)
        end = "\n".join(complaints.read().strip().splitlines()[-5:])
    if answered < len(group):
        case = group[answered]
        raise RuntimeError(
            f"measuring {case.operator} at width {case.width}, context {case.context} ended with exit code "
            f"{process.returncode}; what was measured is kept\n{end}"
        )
