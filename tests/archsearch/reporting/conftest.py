"""A made-up run and its report, which the tests of this folder look at."""

from pathlib import Path

import pytest

from archsearch.campaign.results import Results
from archsearch.reporting.report import write_report
from support import report_cases


@pytest.fixture(scope="session")
def results() -> Results:
    return report_cases.build()


@pytest.fixture(scope="session")
def report(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(results, tmp_path_factory.mktemp("run") / "report").parent
