"""Files are written whole: the old one stands until the new one is on disk."""

import json
from pathlib import Path

import pytest

from genomes.files import write_json, write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "below" / "result.json"
    write_json(path, {"score": 1.5})
    write_json(path, {"score": 2.5})
    assert json.loads(path.read_text()) == {"score": 2.5}
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "profile.yaml"
    write_whole(path, "old\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new\n")
    assert path.read_text() == "old\n"
    assert [file.name for file in tmp_path.iterdir()] == ["profile.yaml"]


def test_others_may_read_what_they_could_read_of_any_new_file(tmp_path: Path) -> None:
    """A cluster's workers may run as another user than the driver."""
    plain, whole = tmp_path / "plain", tmp_path / "whole"
    plain.write_text("")
    write_whole(whole, "")
    assert whole.stat().st_mode == plain.stat().st_mode
