"""Tiny runs that many tests look at, made once a test run, and a compilation cache of their own."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archsearch.campaign.file import Campaign
from archsearch.launch import Workers, run
from support import boards, campaigns


def shared(factory: pytest.TempPathFactory, name: str) -> Path:
    """A path that all processes of a test run have in common."""
    folder = factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / name


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A shared path, made by the process that asks for it first; the others wait."""
    path = shared(factory, name)
    with path.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = path.with_name(f"{name}.done")
        if not done.exists():
            shutil.rmtree(path, ignore_errors=True)
            make(path)
            done.touch()
    return path


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One compilation cache for all runs, empty at its start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSEARCH_CACHE_DIR", str(shared(tmp_path_factory, "cache")))
        patch.delenv("ARCHSEARCH_DEBUG", raising=False)
        yield


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "text", campaigns.text_folder)


@pytest.fixture(scope="session")
def campaign(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return campaigns.load(tmp_path_factory.mktemp("campaign"), campaigns.tiny(text))


@pytest.fixture(scope="session")
def base(campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run on one worker; nobody writes into it."""
    return made_once(
        tmp_path_factory, "base-run", lambda path: run(campaign, path, Workers("local", None, 1))
    )


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "copy"))


@pytest.fixture(scope="session")
def boards_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "boards", Path.mkdir)


@pytest.fixture(scope="session")
def boards_campaign(boards_folder: Path) -> Campaign:
    return campaigns.load(boards_folder, boards.small(boards_folder))


@pytest.fixture(scope="session")
def measured_run(boards_campaign: Campaign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run whose finalists were measured on boards; nobody writes into it."""
    return made_once(tmp_path_factory, "measured-run", lambda path: run(boards_campaign, path, boards.ONE))
