"""What a user names: the id of a candidate where an architecture is asked for, a run without an id."""

import json

import pytest

from archsearch.cli.inputs import find_architecture
from archsearch.cli.main import app
from archsearch.cli.terminal import exit_code
from archsearch.interchange.source import find_source
from genomes import InvalidInput


def test_an_architecture_may_be_a_candidate_of_a_run(base, monkeypatch, capsys):
    assert find_architecture(f"{base}#lfm2").width == 64
    assert find_architecture(f"{base}#lfm2", trained=True).width == 16
    monkeypatch.setattr(
        "sys.argv", ["archsearch", "predict", f"{base}#lfm2", "--device", "raspberry-pi-5", "--json"]
    )
    assert exit_code(app) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] > 0


def test_a_run_without_an_id_lists_its_front(base):
    with pytest.raises(InvalidInput, match=r"#ID of a candidate; the front: [0-9a-z]"):
        find_source(str(base))
