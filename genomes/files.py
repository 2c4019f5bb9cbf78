"""Writing files whole: a reader sees the old file or the new one, never a part of one."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all, forced to disk before it gets its name; makes its folder.

    Raises `OSError` where it cannot be written; what stood there before is then left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON as `write_whole` does, one key a line."""
    write_whole(path, json.dumps(value, indent=1) + "\n")
