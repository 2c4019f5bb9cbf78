"""The measuring program: what it answers to a request that is wrong."""

import json
import subprocess
import sys

import pytest

from hardware_profiles.measuring.process import WORKER
from hardware_profiles.runtimes.table import JAX


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        ("{}", "architecture is missing"),
        ("nonsense", "JSON"),
        ('{"architecture": {}, "batch": 0}', "batch = 0"),
    ],
)
def test_a_wrong_request_gets_an_answer(request_text: str, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", WORKER, JAX.sessions, "model"],
        input=request_text,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    assert done.returncode == 2 and answer["kind"] == "input" and message in answer["error"]
