"""The order of the tests, no deadlines, and a cluster for those that join one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support import clusters

# A busy machine is no fault of what is tested.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

FIRST = (
    *("test_readme.py", "test_launch.py", "test_executors.py", "test_measure.py"),
    *("test_conformance.py", "test_trials.py", "test_scoring.py", "test_stored.py"),
)
"""Files of few, long tests: begun last, they would keep one of two workers waiting for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; otherwise as they were found."""
    items.sort(key=lambda item: item.path.name not in FIRST)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[None]:
    """A Ray cluster of this machine, started as the README says; its processes are ended, no others."""
    with clusters.started(tmp_path):
        yield
