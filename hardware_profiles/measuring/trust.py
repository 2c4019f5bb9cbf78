"""Commands that this user has asked for, so that a run directory of somebody else starts none.

A run directory holds copies of device files, and people share run directories. A `measure_command` in one is
started only where the same command was named here before, by `archsearch run` or by leave of the user.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from hardware_profiles.measuring.this_machine import default_cache_dir


def trust(command: Sequence[str]) -> None:
    """Remember that the user has asked for a command. Raises `OSError` where that cannot be written."""
    if command and not is_trusted(command):
        path = _list()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(_digest(command) + "\n")


def is_trusted(command: Sequence[str]) -> bool:
    """Whether the user has asked for this very command."""
    try:
        return _digest(command) in _list().read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return False


def _digest(command: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(command)).encode()).hexdigest()


def _list() -> Path:
    return default_cache_dir() / "measure-commands"
