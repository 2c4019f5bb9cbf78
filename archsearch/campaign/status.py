"""`status`: where a run stands."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from archsearch.campaign.directory import load_run
from archsearch.campaign.journal import is_written
from archsearch.cli.progress import counts


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
    results = loaded.results()
    total = sum(results.worker_time.values())
    judged = {candidate.fingerprint for candidate in results.candidates}
    running = is_written(loaded.directory.journal)
    return {
        "name": results.name,
        **counts(results),
        "cached": results.cached,
        "running": running,
        "in_flight": len(loaded.ledger.candidates.keys() - judged) if running else 0,
        "front": list(results.front),
        "hypervolume": results.history[-1].hypervolume if results.history else 0.0,
        "finished": results.finished,
        "seconds": round(results.seconds, 1),
        "worker_time": {
            phase: round(seconds / total, 4) if total else 0.0
            for phase, seconds in results.worker_time.items()
        },
        "worker_seconds": {phase: round(seconds, 1) for phase, seconds in results.worker_time.items()},
        "offspring": {
            **asdict(results.offspring),
            "invalid_share": round(results.offspring.invalid_share, 4),
        },
        "measured": {
            "done": len(loaded.ledger.measurement_seconds),
            "failed": loaded.ledger.measurements_failed,
            "in_all": loaded.ledger.finalists.measurements if loaded.ledger.finalists else 0,
        },
        "damaged_journal_lines": [str(damage) for damage in loaded.damages],
    }
