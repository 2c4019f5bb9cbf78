"""Joining a cluster that `ray start` made, in a fresh home, before and after a default run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import campaigns, clusters

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def run(tmp_path: Path, text: Path, name: str, *options: str) -> str:
    """What a small run says that must succeed; it searches one generation."""
    file = campaigns.write(tmp_path / "tiny.yaml", campaigns.tiny(text))
    command = [sys.executable, "-m", "archsearch.cli", "run", file, "--out", tmp_path / name, *options]
    command += ["--set", "search.generations=1", "--set", "budget.rungs=[5]"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_default_run_leaves_no_token_and_a_cluster_is_joined_after_it(
    home: Path, text: Path, tmp_path: Path
) -> None:
    assert "the Ray cluster" not in run(tmp_path, text, "alone", "--workers", "1")
    assert not (home / ".ray").exists()
    with clusters.started(tmp_path):
        joined = run(tmp_path, text, "joined", "--address", "auto")
    assert re.search(r"trials run on the Ray cluster at \S+:\d+ \(1 node, 2 CPUs, 2 of them free\)", joined)
    assert campaigns.events(tmp_path / "joined", "run")[0]["place"].startswith("the Ray cluster at ")


def test_a_cluster_with_a_token_is_joined_by_whoever_has_it(home: Path, text: Path, tmp_path: Path) -> None:
    clusters.ray(tmp_path, "get-auth-token", "--generate")
    assert (home / ".ray" / "auth_token").is_file()
    with clusters.started(tmp_path):
        assert "2 CPUs" in run(tmp_path, text, "joined", "--address", "auto")
