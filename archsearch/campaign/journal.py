"""The journal: an append-only file of events, one a line, one writer, forced to disk.

`archsearch.campaign.events` says which events there are; everything else is derived from them
(`archsearch.campaign.ledger`).
"""

import fcntl
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from archsearch.campaign.events import Event, JobRecord, NotAnEventError, event_line, read_event
from genomes import InvalidInput


@dataclass(frozen=True)
class Damage:
    """A line of the journal that is no event, and so was left out."""

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
            except BlockingIOError:
                if last:
                    self._file.close()
                    raise InvalidInput(f"{path}: another archsearch process is writing this run") from None
                time.sleep(0.05)
            except OSError as error:
                self._file.close()
                reason = error.strerror or error
                raise RuntimeError(
                    f"{path}: its file system cannot lock files ({reason}), and one process alone may write "
                    "a run; choose --out on another file system"
                ) from None
        self._end_last_line()

    def write(self, event: Event) -> None:
        """Append an event and force it to disk."""
        self._file.write(event_line(event) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

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


def read_journal(path: Path, tasks: Collection[str] | None = None) -> tuple[list[Event], list[Damage]]:
    """All events in order, and the lines that are none, trials of other tasks than `tasks` among them.

    Raises `InvalidInput` where there is no journal, or one that another version wrote.
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
            event = read_event(line)
            if tasks is not None and isinstance(event, JobRecord):
                event.check_tasks(tasks)
            events.append(event)
        except NotAnEventError:
            damages.append(Damage(number, line.decode("utf-8", errors="replace")))
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error}") from None
    return events, damages
