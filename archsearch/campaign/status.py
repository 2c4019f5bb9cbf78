"""`status`: where a run stands."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from archsearch.campaign.directory import load_run
from archsearch.campaign.journal import is_written
from archsearch.campaign.summary import worker_time


def status(path: Path | str) -> dict[str, Any]:
    """Counts, front, hypervolume and worker time of a run, as plain JSON.

    `evaluated` counts candidates, references included; `cached` counts trials taken from the record;
    `worker_time` gives each phase's share of the workers' time, `worker_seconds` the seconds. `running` says
    whether a process carries the run on; if so, `in_flight` counts candidates admitted and not yet judged,
    else it is 0. `offspring` counts the children that variation made, those that were invalid before repair,
    those left out, and the genes redrawn by cause.
    `measured` counts measurements of finalists (one for each on each device). Raises `InvalidInput`
    where `path` is no run.
    """
    loaded = load_run(path)
    ledger, standing = loaded.ledger, loaded.standing
    seconds = worker_time(ledger)
    total = sum(seconds.values())
    counts = standing.counts
    running = is_written(loaded.directory.journal)
    return {
        "name": loaded.campaign.name,
        **counts,
        "cached": ledger.cached,
        "running": running,
        "in_flight": len(ledger.candidates) - sum(counts.values()) if running else 0,
        "front": [record.fingerprint[:8] for record in standing.front],
        "hypervolume": standing.hypervolume,
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
        "damaged_journal_lines": [str(damage) for damage in loaded.damages],
    }
