"""`check`: what a campaign would do, without training."""

import io

import pytest
from rich.console import Console

from archsearch.campaign.file import load_campaign
from archsearch.cli.show import rehearsal as show
from archsearch.rehearsal import SAMPLE, rehearse
from genomes import InvalidInput
from support import campaigns


@pytest.fixture
def file(text, tmp_path):
    return campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))


def test_it_prices_references_and_a_sample(file, tmp_path):
    known = rehearse(load_campaign(file))
    assert list(known.references) == ["transformer++", "lfm2", "qwen3"]
    assert all(len(costs) == 3 for costs in known.references.values())
    assert 0 < known.admitted <= SAMPLE
    assert known.admitted + sum(count for _, count in known.rejected) <= SAMPLE
    assert known.parameters == tuple(sorted(known.parameters))
    assert known.trained_tokens == 10 * 4 * 32 * 2
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
    console = Console(width=80, file=io.StringIO())
    show.rehearsal(known, console)
    for words in ("decode latency", "qwen3", f"of {SAMPLE} random candidates", "trainings: about"):
        assert words in console.file.getvalue()


def test_the_same_campaign_gives_the_same_sample(file):
    assert rehearse(load_campaign(file)) == rehearse(load_campaign(file))


def test_bounds_that_reject_everything_are_refused(file):
    with pytest.raises(
        InvalidInput, match=r"bounds reject all of 200 random candidates, such as: parameters"
    ):
        rehearse(load_campaign(file, ["objectives.3.at_most=10"]))


def test_the_command_and_the_schema(file, monkeypatch, capsys):
    from archsearch.cli.main import app
    from archsearch.cli.terminal import exit_code

    monkeypatch.setattr("sys.argv", ["archsearch", "check", str(file)])
    assert exit_code(app) == 0
    assert "references, as they are priced" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["archsearch", "schema"])
    assert exit_code(app) == 0
    assert '"BudgetSection"' in capsys.readouterr().out
