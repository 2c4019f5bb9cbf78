"""The order of the tests."""

import pytest

FIRST = ("test_readme.py", "test_run.py", "test_executors.py", "test_measuring.py")
"""Files of few, long tests: begun last, they would keep one of two workers waiting for the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; otherwise as they were found."""
    items.sort(key=lambda item: item.path.name not in FIRST)
