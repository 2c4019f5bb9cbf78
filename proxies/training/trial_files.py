"""The files of a trial: its curve, its log and, written last, its result."""

import csv
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genomes.files import write_json
from proxies.training.program import Metrics
from proxies.trial import TrialResult


class TrialLog:
    """Writes `curve.csv`, `log.txt` and `result.json` into a directory; without one, nothing."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.lines: list[str] = []
        self.rows: list[tuple[Any, ...]] = []

    def say(self, line: str) -> None:
        """A line of the log, with the time."""
        self.lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")

    def curve(self, first: int, rates: NDArray[np.float32], metrics: Metrics) -> None:
        """Rows of the curve: each step's learning rate and metrics."""
        values = zip(rates, *metrics, strict=True)
        self.rows += [(first + i, *(float(v) for v in row)) for i, row in enumerate(values)]

    def close(self, result: TrialResult) -> None:
        """Write the files; the result stands last and whole, so its presence means the trial is done."""
        if result.cause is None:
            figures = f"loss {result.loss:.4f}, accuracy {result.accuracy:.4f}, score {result.score:.4f}"
            self.say(f"{figures} (0: {result.baseline}) on the test stream")
        else:
            self.say(result.cause)
        if self.directory is None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "curve.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("step", "learning_rate", "loss", "accuracy", "load_balance"))
            writer.writerows(self.rows)
        (self.directory / "log.txt").write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        write_json(self.directory / "result.json", result.to_dict())


@contextmanager
def timed(phases: dict[str, float], phase: str) -> Iterator[None]:
    """Add the time spent inside to a phase."""
    started = time.perf_counter()
    try:
        yield
    finally:
        phases[phase] += time.perf_counter() - started
