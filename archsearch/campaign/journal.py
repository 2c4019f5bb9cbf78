"""The journal: an append-only file of events, one JSON object a line, one writer, forced to disk.

Events: `run` (a session began), `candidate` (admitted or rejected), `job` (one rung of one candidate was
trained, or failed), `retry`, `generation`, `finalists` (who is measured after the search), `measured` (one of
them on one device, or failed), `stopped`, `finished`. Everything else is derived
(`archsearch.campaign.ledger`).
"""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from genomes import InvalidInput

FORMAT = "archsearch/journal"
VERSION = 1

Event = dict[str, Any]


@dataclass(frozen=True)
class Damage:
    """A line that is no event, and what was done about it."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line} is damaged and was left out: {self.text[:60]!r}"


class Journal:
    """The journal of a run, open for appending. Raises `InvalidInput` where another process writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a+", encoding="utf-8")
        for last in (False, False, True):  # one who only asks whether a run goes on is gone at once
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if last:
                    self._file.close()
                    raise InvalidInput(f"{path}: another archsearch process is writing this run") from None
                time.sleep(0.05)
        self._end_last_line()

    def write(self, kind: str, **fields: Any) -> Event:
        """Append an event and force it to disk; returns it as it will be read back."""
        event = {"event": kind, "at": round(time.time(), 3), **fields}
        line = json.dumps(event, separators=(",", ":"))
        self._file.write(line + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        found: Event = json.loads(line)
        return found

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._file.close()

    def _end_last_line(self) -> None:
        """A line cut short by a kill must not swallow the next event."""
        size = self.path.stat().st_size
        if size:
            with self.path.open("rb") as file:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    self._file.write("\n")
                    self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_written(path: Path) -> bool:
    """Whether a process has the journal open for writing: its run goes on."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # goes when the file is closed
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_journal(path: Path) -> tuple[list[Event], list[Damage]]:
    """All events in order, and the lines that are none.

    Raises `InvalidInput` where there is no journal, or a newer one than this version reads.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}; is this the directory of a run?") from None
    events: list[Event] = []
    damages: list[Damage] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            known = isinstance(event, dict) and isinstance(event["event"], str) and "at" in event
        except (ValueError, KeyError):
            known = False
        if not known:
            damages.append(Damage(number, line.decode("utf-8", errors="replace")))
            continue
        if event["event"] == "run" and event.get("version") != VERSION:
            raise InvalidInput(
                f"{path}: version = {event.get('version')!r}; this archsearch reads version {VERSION}"
            )
        events.append(event)
    return events, damages
