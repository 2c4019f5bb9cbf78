"""What the driver of a campaign costs a candidate, by part, as campaigns grow.

    python benchmarks/driver_scale.py [--candidates N ...] [--population N] [--out FILE]

Drives the real loop (search, pricing, admission, journal, files, standing, display) with an executor that
answers at once with made-up scores, so that all time is the driver's. Then the run is read back: `load_run`
with `results`, and `status`. Times are CPU seconds of this process, since its machine may be shared; the
parts are sampled from its stack. The larger the sizes, the better one sees what is not linear. Prints a table
and writes JSON.
"""

import argparse
import hashlib
import io
import json
import math
import os
import platform
import signal
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self
from unittest import mock

from rich.console import Console
from rich.table import Table

from archsearch import launch
from archsearch.campaign.directory import load_run
from archsearch.campaign.file import Campaign
from archsearch.campaign.status import status
from archsearch.cli.progress import Display
from archsearch.evaluation.job import follow
from archsearch.executors import Job, Outcome
from archsearch.search.generations import Loop
from proxies.trial import TrialResult

RESULTS = Path(__file__).with_name("results") / "driver_scale.json"
SIZES = (250, 500, 1000, 2000, 4000, 8000)
POPULATION, ELITES = 50, 2
SAMPLE_EVERY_S = 0.002

PARTS = (
    "variation",
    "sizing and fingerprints",
    "pricing",
    "plans and jobs",
    "journal and files",
    "ledger and standing",
    "selection",
    "display",
    "loop",
)
WHOLE = (
    ("benchmarks/driver_scale.py", "answers", "made-up executor"),
    ("cli/progress.py", "", "display"),
    ("search/nsga2.py", "ask", "variation"),
    ("genomes/variation.py", "", "variation"),
    ("search/nsga2.py", "", "selection"),
    ("campaign/pricing.py", "", "pricing"),
    ("hardware_profiles/", "", "pricing"),
    ("campaign/summary.py", "", "ledger and standing"),
    ("campaign/standing.py", "", "ledger and standing"),
    ("campaign/ledger.py", "", "ledger and standing"),
)
"""File, function (empty: any) and part: a call counts for it with all that is called below."""
INNER = (
    ("campaign/journal.py", "", "journal and files"),
    ("campaign/events.py", "", "journal and files"),
    ("genomes/files.py", "", "journal and files"),
    ("/pathlib.py", "", "journal and files"),
    ("/shutil.py", "", "journal and files"),
    ("genomes/", "", "sizing and fingerprints"),
    ("evaluation/", "", "plans and jobs"),
    ("archsearch/search/", "", "loop"),
)
"""The innermost call decides where no whole part does; other libraries count for their callers."""


class InstantExecutor:
    """Answers each job at once: scores are drawn by the hash of proxy and task, and grow with the steps."""

    workers = 2
    place = ""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Take a job."""
        self._waiting.append(job)

    def next(self, timeout: float | None = None) -> Outcome | None:  # noqa: ARG002 - of the protocol
        """The outcome of the oldest job."""
        return answers(self._waiting.popleft()) if self._waiting else None

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def answers(job: Job) -> Outcome:
    """The made-up outcome of a job."""
    proxy = json.dumps(job.payload["architecture"], sort_keys=True)
    answer = follow(job.payload["tasks"], lambda trial: made_up(proxy, trial).to_dict())
    return Outcome(job.key, answer, None, "nowhere:1", 0.01, 0.0)


def made_up(proxy: str, trial: dict[str, Any]) -> TrialResult:
    """What a trial of a proxy gave."""
    config = trial["config"]
    digest = hashlib.sha256(f"{proxy}/{config['task']}".encode()).digest()
    talent, taste = (int.from_bytes(digest[i : i + 4], "big") / 2**32 for i in (0, 4))
    score = (
        0.6 * talent
        + 0.3 * (1 - math.exp(-config["steps"] / 100))
        - 0.1 * abs(taste - config["learning_rate"])
    )
    return TrialResult(
        status="ok",
        cause=None,
        task=config["task"],
        metric="accuracy",
        steps=config["steps"],
        learning_rate=config["learning_rate"],
        config=config,
        seed=trial["seed"],
        fingerprint=digest[:8].hex(),
        data_hash=trial["data_hash"],
        loss=4 * (1 - score),
        accuracy=score,
        score=score,
        validation_score=score,
        load_balance=0.0,
        validation_loss=4 * (1 - score),
        validation_accuracy=score,
        seconds={"training": 0.005, "compilation": 0.0, "evaluation": 0.001, "other": 0.004},
        versions={"training": "0"},
    )


def campaign(candidates: int, population: int) -> Campaign:
    """A campaign of at least so many candidates, none of which any bound rejects."""
    generations = 1 + math.ceil(max(0, candidates - population) / (population - ELITES))
    return Campaign.model_validate(
        {
            "name": "driver-scale",
            "space": {"preset": "hybrid", "blocks": 12},
            "proxy": {"width": 64, "head_dim": 16},
            "target": {"width": 1024, "blocks": 24, "head_dim": 64, "vocab_size": 65536},
            "objectives": [
                {"metric": "quality"},
                {"metric": "decode_latency_s", "device": "raspberry-pi-5", "context": 4096},
                {"metric": "peak_memory_bytes", "device": "galaxy-s24-ultra-cpu", "context": 32768},
                {"metric": "parameters"},
            ],
            "tasks": [{"task": "fuzzy-recall"}, {"task": "in-context-recall"}],
            "search": {
                "population": min(population, candidates),
                "generations": generations,
                "elites": ELITES,
            },
            "budget": {"rungs": [60, 180], "learning_rates": [1e-3, 3e-3]},
            "references": ["transformer++", "lfm2", "mamba2-hybrid"],
        }
    )


@dataclass
class Sampler:
    """Counts in which part the process is, by CPU time."""

    parts: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sample inside."""
        before = signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_S, SAMPLE_EVERY_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, before)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        whole, inner = "", ""
        while frame is not None:
            place = frame.f_code.co_filename, frame.f_code.co_name
            whole = part_of(*place, WHOLE) or whole
            inner = inner or part_of(*place, INNER)
            frame = frame.f_back
        self.parts[whole or inner or "loop"] += 1

    def seconds(self, total: float) -> dict[str, float]:
        """CPU seconds of each part, `total` shared out."""
        samples = sum(self.parts.values())
        return {part: total * count / samples for part, count in self.parts.items()} if samples else {}


def part_of(file: str, function: str, rules: tuple[tuple[str, str, str], ...]) -> str:
    """The part that a call counts for; empty where no rule knows it."""
    for fragment, name, part in rules:
        if fragment in file and name in ("", function):
            return part
    return ""


@dataclass
class Row:
    """Cost of one size, in CPU milliseconds a candidate."""

    candidates: int
    population: int
    evaluated: int
    front: int
    driver_ms: float
    """The driver, less the made-up executor."""
    wall_ms: float
    display_share: float
    """Share of the driver's time."""
    parts_ms: dict[str, float]
    load_run_and_results_ms: float
    status_ms: float
    journal_bytes: int


def measure(candidates: int, population: int, folder: Path) -> Row:
    """Drive a campaign of one size, and read it back."""
    sampler, clocks = Sampler(), [0.0, 0.0]
    real_run = Loop.run

    def timed(loop: Loop) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        with sampler.running():
            real_run(loop)
        clocks[:] = time.perf_counter() - wall, time.process_time() - cpu

    display = Display(Console(file=io.StringIO(), force_terminal=True, width=160))
    with (
        mock.patch.object(launch, "make_executor", lambda *_: InstantExecutor()),
        mock.patch.object(launch, "refuse_broken", lambda *_: None),
        mock.patch.object(launch, "write_report", lambda *_: None),
        mock.patch.object(Loop, "run", timed),
    ):
        launch.run(campaign(candidates, population), folder / "run", launch.Workers("local"), display)
    display.close()

    began = time.process_time()
    results = load_run(folder / "run").results()
    read = time.process_time() - began
    began = time.process_time()
    stands = status(folder / "run")
    asked = time.process_time() - began
    assert list(results.front) == stands["front"]

    wall, cpu = clocks
    seconds = sampler.seconds(cpu)
    driver = cpu - seconds.pop("made-up executor", 0.0)
    number = len(results.candidates)

    def ms(spent: float) -> float:
        return round(1e3 * spent / number, 3)

    return Row(
        candidates=number,
        population=population,
        evaluated=stands["evaluated"],
        front=len(results.front),
        driver_ms=ms(driver),
        wall_ms=ms(wall),
        display_share=round(seconds.get("display", 0.0) / driver, 4) if driver > 0 else 0.0,
        parts_ms={part: ms(seconds.get(part, 0.0)) for part in PARTS},
        load_run_and_results_ms=ms(read),
        status_ms=ms(asked),
        journal_bytes=(folder / "run" / "journal.jsonl").stat().st_size,
    )


def show(rows: list[Row], console: Console) -> None:
    """The table."""
    table = Table(title="driver, CPU ms a candidate", title_justify="left")
    for name in (
        "candidates",
        "population",
        "driver",
        "wall",
        *PARTS,
        "display share",
        "read back",
        "status",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            str(row.candidates),
            str(row.population),
            f"{row.driver_ms:.2f}",
            f"{row.wall_ms:.2f}",
            *(f"{row.parts_ms[part]:.2f}" for part in PARTS),
            f"{row.display_share:.1%}",
            f"{row.load_run_and_results_ms:.2f}",
            f"{row.status_ms:.2f}",
        )
    console.print(table)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidates", type=int, nargs="+", default=SIZES, metavar="N")
    parser.add_argument("--population", type=int, default=POPULATION, metavar="N")
    parser.add_argument("--key", default="rows", help="where in the file the rows go; others stay")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args()
    rows, console = [], Console(width=220)
    for size in options.candidates:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(size, options.population, Path(folder)))
        console.print(f"{size}: {rows[-1].driver_ms:.2f} ms a candidate", highlight=False)
    show(rows, console)
    written = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    written |= {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    written |= {"python": platform.python_version(), options.key: [asdict(row) for row in rows]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
