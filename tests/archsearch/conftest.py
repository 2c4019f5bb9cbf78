"""Tiny runs that many tests look at, made once a process, and a cache of the tests' own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from archsearch.campaign.file import Campaign
from archsearch.launch import Workers, run
from support import boards, campaigns


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One compilation cache for all runs, empty at its start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSEARCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("ARCHSEARCH_DEBUG", raising=False)
        yield


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return campaigns.text_folder(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="session")
def campaign(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return campaigns.load(tmp_path_factory.mktemp("campaign"), campaigns.tiny(text))


@pytest.fixture(scope="session")
def base(campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run on one worker; nobody writes into it."""
    path = tmp_path_factory.mktemp("base") / "run"
    run(campaign, path, Workers("local", None, 1))
    return path


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "copy"))


@pytest.fixture(scope="session")
def boards_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boards")


@pytest.fixture(scope="session")
def boards_campaign(boards_folder: Path) -> Campaign:
    return campaigns.load(boards_folder, boards.small(boards_folder))


@pytest.fixture(scope="session")
def measured_run(boards_campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run whose finalists were measured on boards; nobody writes into it."""
    path = tmp_path_factory.mktemp("measured") / "run"
    run(boards_campaign, path, boards.ONE)
    return path
