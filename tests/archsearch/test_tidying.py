"""`clean`: a finished run without the checkpoints that nobody takes."""

import pytest

from archsearch.campaign.directory import load_run
from archsearch.interchange.export import export
from archsearch.tidying import clean
from genomes import InvalidInput
from support import campaigns


def test_a_clean_run_still_exports_its_front_and_reports_the_same(base, copy, tmp_path):
    front = load_run(copy).results().front
    before = {path for path in copy.rglob("*") if path.is_file()}
    would = clean(copy, dry_run=True)
    assert {path for path in copy.rglob("*") if path.is_file()} == before
    assert clean(copy) == would
    assert would.folders and would.bytes > 0
    gone = before - {path for path in copy.rglob("*") if path.is_file()}
    assert all("checkpoint" in path.parts for path in gone)
    assert campaigns.outcome(copy) == campaigns.outcome(base)
    for id in (*front, "lfm2"):
        export(f"{copy}#{id}", "flax", tmp_path / id)
    assert clean(copy).folders == ()


def test_an_unfinished_run_is_not_cleaned(copy):
    journal = copy / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(InvalidInput, match="legal: a finished run; archsearch resume finishes it"):
        clean(copy)
