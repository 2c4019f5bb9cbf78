"""The display of a running campaign: what it shows, and how seldom it draws."""

import io
import time
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from archsearch.campaign.events import SessionBegan
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.objectives import Objective
from archsearch.campaign.standing import Standing
from archsearch.cli.progress import Display
from support import campaigns
from support.event_cases import candidate_record


@pytest.fixture
def look(tmp_path) -> Any:
    """A look at a run with a rejected candidate."""
    campaign = campaigns.load(tmp_path, campaigns.tiny(campaigns.text_folder(tmp_path / "text")))
    standing = Standing(Ledger(campaign), (Objective("quality", "max"),))
    standing.ledger.apply(
        SessionBegan(executor="local", began=0.0, workers=1, reference_point={"quality": -5.0})
    )
    standing.ledger.apply(candidate_record("x", rejected="too large"))
    return SimpleNamespace(
        loaded=SimpleNamespace(campaign=campaign, ledger=standing.ledger, standing=standing),
        evaluator=SimpleNamespace(cached=3, in_flight=2),
        workers=2,
        started=time.time(),
    )


def test_a_line_says_how_far_the_run_is(look) -> None:
    text = io.StringIO()
    display = Display(Console(file=text, width=300))
    for _ in range(3):
        display(look)
    (line,) = text.getvalue().splitlines()
    assert line == (
        "  0%  evaluated 0, failed 0, rejected 1, cached trials 3, in flight 2, front 0, hypervolume 0.000, "
        "elapsed 0 s, left not known yet"
    )


def test_a_table_is_drawn_now_and_then_and_taken_away(look, monkeypatch) -> None:
    text = io.StringIO()
    display = Display(Console(file=text, width=300, force_terminal=True))
    clock = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    tables = []
    for looks in range(1, 11):
        display(look)
        tables.append(text.getvalue().count("rejected"))
        clock = looks / 10
    assert tables == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]
    display.close()
    assert "archsearch: tiny" in text.getvalue()
