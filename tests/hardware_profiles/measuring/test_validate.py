"""`validate` on made-up processes: what is measured again, what drift is taken out, what is said."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from genomes import Architecture, InvalidInput, Scale, parse_layout
from hardware_profiles import FIGURES, Workload, device, predict
from hardware_profiles.measuring import validate as driver
from hardware_profiles.measuring.judgement import with_validation
from hardware_profiles.measuring.measurement import ProcessAnswer
from hardware_profiles.measuring.validate import validate

BOARD = device("generic-x86-core")
MODELS = [
    (name, parse_layout(layout).at(Scale(width=128, head_dim=64, vocab_size=512)))
    for name, layout in (("small", "swiglu(2) attention"), ("large", "swiglu(2) attention swiglu(4) mamba2"))
]
WORKLOAD = Workload(64)


def process(architecture: Architecture, workload: Workload, slower: float = 1.0) -> ProcessAnswer:
    """An answer that is as slow as predicted, times a factor that the yardstick sees too."""
    predicted = predict(architecture, BOARD, workload)
    return ProcessAnswer(
        prefill_latency_s=(slower * predicted.prefill_latency_s.value,),
        decode_latency_s=(slower * predicted.decode_latency_s.value,),
        decode_latency_by_depth_s={},
        peak_memory_bytes=predicted.peak_memory_bytes.value,
        memory_counts="all",
        yardstick_s={"prefill": slower, "decode": slower},
        settled=True,
        other_load=0.0,
        platform={"platform": "cpu", "kind": "cpu"},
        threads=1,
        versions={},
        options=None,
        power_w={},
        energy=None,
    )


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float], set[int]], list[str]]:
    """Takes the place of processes: how slow each is, and which are disturbed; gives who was measured."""

    def install(slower: list[float], disturbed: set[int]) -> list[str]:
        measured: list[str] = []
        names = {architecture.fingerprint: name for name, architecture in MODELS}

        def once(architecture: Architecture, workload: Workload, _: object) -> ProcessAnswer:
            number = len(measured)
            measured.append(names[architecture.fingerprint])
            answer = process(architecture, workload, slower[number % len(slower)])
            return replace(answer, other_load=0.5) if number in disturbed else answer

        monkeypatch.setattr(driver, "measure_once", once)
        return measured

    return install


def test_predictions_that_are_right_have_no_error(measuring) -> None:
    measured = measuring([1.0], set())
    judgement = validate(BOARD, MODELS, WORKLOAD, processes=3)
    assert measured == ["small", "large"] * 3
    assert judgement.disturbed == 0 and [model.name for model in judgement.models] == ["small", "large"]
    for model in judgement.models:
        for row in model.figures.values():
            assert (row.error, row.repeat_spread, row.drift) == (0, 0, 1)
    assert {errors.mape for errors in judgement.errors.values()} == {0}
    values = judgement.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["models"][0].keys() == {"name", "parameters", "notes", *FIGURES}
    judged = with_validation(BOARD, judgement).validation
    assert judged is not None and (judged.context, judged.weights) == (64, "float32")


def test_an_hour_that_is_slow_is_no_error_of_the_model(measuring) -> None:
    measuring([1.5], set())
    board = BOARD.model_copy(update={"yardstick_s": {"prefill": 1.0, "decode": 1.0}})
    row = validate(board, MODELS, WORKLOAD, processes=1).models[0].decode_latency_s
    assert row.error == pytest.approx(0) and row.drift == pytest.approx(1.5)
    assert row.repeat_spread is None


def test_what_was_disturbed_is_measured_once_more_at_the_end(measuring) -> None:
    measured, seen = measuring([1.0], {1, 3, 4}), []
    judgement = validate(BOARD, MODELS, WORKLOAD, processes=2, progress=lambda *step: seen.append(step[:2]))
    assert measured == ["small", "large", "small", "large", "large", "large"]
    assert judgement.disturbed == 1  # the fifth, again
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 6), (5, 6)]


def test_what_cannot_be_judged_is_refused_before_anything_is_measured(measuring) -> None:
    measured = measuring([1.0], set())
    for models, workload, processes, words in (
        ([], WORKLOAD, 1, "no models"),
        (MODELS, WORKLOAD, 0, "processes = 0"),
        (MODELS, Workload(dtype="float16"), 1, "no peak_flops_per_s for dtype 'float16'"),
    ):
        with pytest.raises(InvalidInput, match=words):
            validate(BOARD, models, workload, processes=processes)
    assert measured == []
