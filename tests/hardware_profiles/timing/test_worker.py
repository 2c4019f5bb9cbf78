"""The measuring program: what it answers to a request that is wrong, and to logits that are."""

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from genomes import Scale, parse_layout
from hardware_profiles.measuring.process import WORKER
from hardware_profiles.runtimes.table import JAX
from hardware_profiles.timing import sampling
from hardware_profiles.timing.session import Loaded, PeakMemory, Sessions
from hardware_profiles.timing.worker import Request, measure_model


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


class Overflowing:
    """A session whose logits are finite only at depths where its state holds zeros."""

    def __init__(self) -> None:
        self.last = np.zeros((1, 1))

    def clear(self) -> None: ...
    def step_back(self) -> None: ...
    def close(self) -> None: ...

    def prefill(self) -> None:
        self.last = np.full((1, 1), np.inf)

    go_on = decode = prefill

    def at_depth(self, depth: int) -> Callable[[], None]:
        del depth
        return lambda: setattr(self, "last", np.zeros((1, 1)))

    def logits(self) -> np.ndarray:
        return self.last

    def copy(self) -> "Overflowing":
        raise NotImplementedError


@pytest.mark.parametrize("depths", [[], [1]])
def test_logits_that_are_not_finite_are_refused_whatever_other_depths_give(
    monkeypatch: pytest.MonkeyPatch, depths: list[int]
) -> None:
    monkeypatch.setattr(sampling, "LEAST_SECONDS", 0.0)
    sessions = Sessions(
        origin=lambda: {"threads": 1},
        versions=dict,
        load=lambda *_: Loaded(Overflowing(), 0),
        stack=lambda *_: NotImplemented,
        work=lambda: {"prefill": lambda: None, "decode": lambda: None},
        peak=lambda *_: PeakMemory(1, ""),
    )
    model = parse_layout("swiglu").at(Scale(width=64, head_dim=32, vocab_size=64)).to_dict()
    asked = Request(architecture=model, context=4, batch=1, dtype="float32", prefill_chunk=4, depths=depths)
    with pytest.raises(RuntimeError, match="the logits are not finite in float32"):
        measure_model(asked, sessions)
