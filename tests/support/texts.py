"""Texts for tests: lines that are unique in a whole corpus, and what a task reads of them."""

from pathlib import Path

import numpy as np

from proxies.tasks import Split, Text, make_task


def markers(document: int, count: int = 2000) -> str:
    """Text in which every 8-byte line is unique in the whole corpus."""
    return "".join(f"{document}.{line:05d}\n" for line in range(count))


def text(path: Path | str, length: int = 32, **chosen: object) -> Text:
    made = make_task("text", length, {"path": str(path), **chosen})
    assert isinstance(made, Text)
    return made


def spelled(task: Text, split: Split) -> bytes:
    return bytes(task.corpus.tokens[split].astype(np.uint8))
