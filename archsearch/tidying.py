"""`clean`: what a finished run no longer needs."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from archsearch.campaign.directory import load_run
from genomes.errors import refused

CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Cleaned:
    """What was removed, or would be."""

    folders: tuple[Path, ...]
    bytes: int


def clean(path: Path | str, dry_run: bool = False) -> Cleaned:
    """Remove the checkpoints of a finished run that no export of the front or of a reference takes.

    All numbers stay: journal, results, curves, report. A run that is extended later trains again what it
    continues. Raises `InvalidInput` for a run that is not finished, since it would train them again.
    """
    loaded = load_run(path)
    if not loaded.ledger.finished:
        raise refused("path", path, "a finished run", "archsearch resume finishes it")
    results = loaded.results()
    kept_ids = {*results.front, *(c.id for c in results.candidates if c.origin == "reference")}
    kept = {trial.directory for trial in loaded.ledger.trials.values() if trial.candidate[:8] in kept_ids}
    folders = [
        folder
        for folder in sorted(loaded.directory.path.glob(f"candidates/*/trials/*/{CHECKPOINT}"))
        if folder.parent.relative_to(loaded.directory.path).as_posix() not in kept and not folder.is_symlink()
    ]
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    if not dry_run:
        for folder in folders:
            shutil.rmtree(folder)
    return Cleaned(tuple(folders), size)
