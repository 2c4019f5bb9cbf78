"""`status`: where a run stands."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from archsearch.campaign.claims import claims
from archsearch.campaign.directory import LoadedRun, load_run
from archsearch.campaign.journal import is_written
from archsearch.campaign.objectives import QUALITY
from archsearch.campaign.results import Results


def status(path: Path | str) -> dict[str, Any]:
    """Counts, front, hypervolume, judgement and worker time of a run, as plain JSON.

    `evaluated` counts candidates, references included; `cached` counts trials taken from the record;
    `worker_time` gives each phase's share of the workers' time, `worker_seconds` the seconds. `running` says
    whether a process carries the run on; if so, `in_flight` counts candidates admitted and not yet judged,
    else it is 0. `tasks` says what each task is worth at the last rung: weights, baseline, noise, share in
    the spread of quality, the references' scores, learning rates at the edges of the grid; `remarks` what to
    know of it. `winners` gives the quality of each candidate of the front during the search and after it
    (`final`), with standard errors, and what it is to each reference: `dominates` or `trades`. `offspring`
    counts the children that variation made, those that were invalid before repair, those left out, and the
    genes redrawn by cause. `measured` counts measurements of finalists (one for each on each device).
    `deeper_references` says which references have more blocks than candidates. Raises `InvalidInput` where
    `path` is no run.
    """
    loaded = load_run(path)
    return status_of(loaded, loaded.results())


def status_of(loaded: LoadedRun, results: Results) -> dict[str, Any]:
    """The same, from a run that is read back and its results."""
    ledger, standing = loaded.ledger, loaded.standing
    seconds = results.worker_time
    total = sum(seconds.values())
    counts = standing.counts
    running = is_written(loaded.directory.journal)
    return {
        "name": loaded.campaign.name,
        **counts,
        "cached": ledger.cached,
        "running": running,
        "in_flight": len(ledger.candidates) - sum(counts.values()) if running else 0,
        "front": list(results.front),
        "hypervolume": standing.hypervolume,
        "steps": results.rungs[-1],
        "tasks": [asdict(facts) for facts in results.tasks],
        "remarks": list(results.remarks),
        "winners": winners(results),
        "finished": ledger.finished,
        "seconds": round(ledger.wall_seconds(), 1),
        "worker_time": {phase: round(spent / total, 4) if total else 0.0 for phase, spent in seconds.items()},
        "worker_seconds": {phase: round(spent, 1) for phase, spent in seconds.items()},
        "offspring": {
            **asdict(ledger.offspring),
            "invalid_share": round(ledger.offspring.invalid_share, 4),
        },
        "measured": {
            "done": len(ledger.measurement_seconds),
            "failed": ledger.measurements_failed,
            "in_all": ledger.finalists.measurements if ledger.finalists else 0,
        },
        "deeper_references": loaded.campaign.deeper_references(),
        "damaged_journal_lines": [str(damage) for damage in loaded.damages],
    }


def winners(results: Results) -> dict[str, dict[str, Any]]:
    """Qualities of the front and what its members are to the references, by id, as plain JSON."""
    references = [candidate for candidate in results.candidates if candidate.origin == "reference"]
    members = [results.candidate(id) for id in results.front]
    return {
        c.id: {
            "quality": c.objectives[QUALITY],
            "quality_error": c.quality_error,
            "final": None if c.final is None else asdict(c.final),
            "final_change": c.final_change,
            "references": claims(c, references, results),
        }
        for c in members
    }
