"""`report`: the page, the tables and the pictures of a run, written as whole files."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from archsearch.campaign.directory import load_run
from archsearch.campaign.results import Results
from archsearch.reporting.charts.pictures import all_pictures
from archsearch.reporting.charts.png import write_pictures
from archsearch.reporting.page import render
from archsearch.reporting.tables import write_tables

PAGE = "index.html"


def report(path: Path | str, say: Callable[[str], None] | None = None) -> Path:
    """Write the report of a run anew and return the path of its page.

    `say` hears of damaged lines of the journal. Raises `InvalidInput` where `path` is no run.
    """
    loaded = load_run(path)
    if say is not None:
        for damage in loaded.damages:
            say(f"{loaded.directory.journal}: {damage}")
    return write_report(loaded.results(), loaded.directory.report)


def write_report(results: Results, out: Path) -> Path:
    """Write the report into `out` and return the path of its `index.html`.

    Everything is written into a new directory beside `out` first, then each file is moved to its name, the
    page last: a reader sees whole files only. An earlier report of the run is replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=out.absolute().parent, prefix=f".{out.absolute().name}-"))
    try:
        pictures = all_pictures(results)
        paths = [*write_tables(results, fresh), *write_pictures(pictures, fresh)]
        page = fresh / PAGE
        page.write_text(render(results, pictures, [path.name for path in paths]), encoding="utf-8")
        for path in (*paths, page):
            path.replace(out / path.name)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return out / PAGE
