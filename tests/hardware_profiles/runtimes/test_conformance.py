"""One suite for all runtimes: the same request gives the same keys, and figures of the same meaning."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from genomes import Architecture, InvalidInput, Scale, parse_layout
from hardware_profiles.cases import HEAD, Case
from hardware_profiles.measuring import process
from hardware_profiles.measuring.measure import measure_once
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.runtimes.table import RUNTIMES
from hardware_profiles.timing import session as sessions_module
from hardware_profiles.timing.session import Session, Sessions, Turns, find_sessions
from hardware_profiles.timing.stacks import NOISE_SHARE, PROTOCOL, measure_cases
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import Workload

CONTEXT = 21
MODEL = parse_layout("attention swiglu(2) attention swiglu(2)").at(
    Scale(width=64, head_dim=32, vocab_size=300)
)
"""Attention and feed-forwards, which every runtime runs and which may read a token twice."""
RECURRENT = {"llama.cpp": "mamba2 mamba2", "onnxruntime": "mamba2 swiglu(2)", "jax": "mamba2 swiglu(2)"}
CLOSE = 2e-4
"""Difference between logits, as a share of the largest, that another order of sums leaves."""

Load = Callable[..., Session]
runtimes = pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=list(RUNTIMES))


def needed(runtime: Runtime) -> Runtime:
    missing = [name for name in runtime.packages if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; {runtime.install}")
    return runtime


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    """Loads a model as the measuring program does, once each; tests begin with a state that is clear."""
    with ExitStack() as stack:

        @cache
        def loaded(runtime: str, architecture: Architecture = MODEL, **fields: Any) -> Session:
            workload = Workload(**{"context": CONTEXT, "prefill_chunk": 8, **fields})
            sessions = find_sessions(needed(RUNTIMES[runtime]).sessions)
            session = sessions.load(architecture, workload, 2 * CONTEXT).session
            stack.callback(session.close)
            return session

        yield loaded


def read(session: Session) -> np.ndarray:
    """Logits of a prompt's last token, from a state that is clear."""
    session.clear()
    session.prefill()
    return session.logits()


def decoded(session: Session) -> np.ndarray:
    session.step_back()
    session.decode()
    return session.logits()


def assert_close(logits: np.ndarray, expected: np.ndarray) -> None:
    assert logits.shape == expected.shape
    assert np.abs(logits - expected).max() <= CLOSE * np.abs(expected).max()


# Sessions


@pytest.mark.slow
@runtimes
def test_a_prompt_in_chunks_is_the_prompt_token_by_token(load: Load, runtime: Runtime) -> None:
    in_chunks, one_by_one, whole = (load(runtime.name, prefill_chunk=size) for size in (8, 1, CONTEXT))
    expected = read(whole)
    assert expected.shape == (1, 300) and np.isfinite(expected).all() and np.ptp(expected) > 0
    assert_close(read(in_chunks), expected)
    assert_close(read(one_by_one), expected)


@runtimes
def test_decoding_sees_the_tokens_of_the_prompt(load: Load, runtime: Runtime) -> None:
    """The prompt's last token at its own place again gives what the prompt gave, however often."""
    session = load(runtime.name)
    expected = read(session)
    for _ in range(3):
        assert_close(decoded(session), expected)


@runtimes
def test_clearing_forgets(load: Load, runtime: Runtime) -> None:
    layout = parse_layout(RECURRENT[runtime.name])
    session = load(runtime.name, layout.at(Scale(width=64, head_dim=32, vocab_size=300)))
    expected = read(session)
    session.go_on()
    assert_close(read(session), expected)
    decoded(session)
    decoded(session)
    assert_close(read(session), expected)


@runtimes
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_copy_stands_where_its_session_stood(load: Load, runtime: Runtime, recurrent: bool) -> None:
    layout = parse_layout(RECURRENT[runtime.name])
    scale = Scale(width=64, head_dim=32, vocab_size=300)
    session = load(runtime.name, layout.at(scale) if recurrent else MODEL)
    read(session)
    copy = session.copy()
    expected = decoded(session)
    session.clear()
    assert_close(decoded(copy), expected)
    copy.close()
    read(session)
    assert_close(decoded(session), expected)  # which lives on


@runtimes
def test_copies_take_turns(load: Load, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    session = load(runtime.name)
    expected = read(session)
    monkeypatch.setattr(sessions_module, "STREAM_BYTES", 3 * 10**6)
    turns = Turns(session, 10**6)
    order = list(turns._next)
    assert len(order) == 4 and order[0] is session
    for place in (1, 2, 3, 0, 1):
        turns.turn()
        turns.decode()
        assert turns._next[0] is order[place]
        assert_close(turns._next[0].logits(), expected)
    turns.close()
    assert_close(decoded(session), expected)


@runtimes
def test_another_depth_is_another_state(load: Load, runtime: Runtime) -> None:
    session = load(runtime.name)
    expected = read(session)
    if not runtime.further_depths:
        with pytest.raises(InvalidInput, match=rf"depth = 3; {runtime.name} is measured at one depth"):
            session.at_depth(3)
        return
    at_one, deeper = session.at_depth(1), session.at_depth(2 * CONTEXT)
    at_one()
    first = session.logits()
    deeper()
    assert np.abs(session.logits() - first).max() > 0
    assert_close(decoded(session), expected)


# Refusals, in the same words


@runtimes
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cache": "bfloat16"}, r"cache = 'bfloat16'; with dtype = 'float32', {name} is measured with "),
        ({"weights": "bfloat16"}, r"weights = 'bfloat16'; with dtype = 'float32', {name} is measured with "),
    ],
)
def test_types_are_refused_by_driver_and_process_alike(
    runtime: Runtime, fields: dict[str, str], message: str
) -> None:
    pattern, workload = message.format(name=runtime.name), Workload(context=8, **fields)
    with pytest.raises(InvalidInput, match=pattern) as of_driver:
        measure_once(MODEL, workload, runtime)
    with pytest.raises(InvalidInput, match=pattern) as of_process:
        find_sessions(needed(runtime).sessions).load(MODEL, workload, 8)
    assert str(of_driver.value) == str(of_process.value)


@runtimes
def test_what_does_not_fit_is_refused(load: Load, runtime: Runtime) -> None:
    with pytest.raises(RuntimeError, match=r"does not fit in memory: it needs \d+ bytes .* are available"):
        load(runtime.name, context=10**11, prefill_chunk=10**11)


# Real processes


@pytest.fixture(scope="module", params=RUNTIMES.values(), ids=list(RUNTIMES))
def measured(request: pytest.FixtureRequest) -> Iterator[tuple[Runtime, dict[str, Any]]]:
    runtime = needed(request.param)
    fields = {"context": 256, "batch": 1, "dtype": "float32", "prefill_chunk": 512}
    depths = [8] if runtime.further_depths else []
    asked = json.dumps({"architecture": MODEL.to_dict(), "depths": depths, **fields})
    program = (process.WORKER, runtime.sessions, "model")
    yield runtime, json.loads(process.answer(program, asked, 600, runtime.environment).stdout)


@pytest.mark.slow
def test_the_answer_has_the_same_keys_and_meaning(measured: tuple[Runtime, dict[str, Any]]) -> None:
    runtime, answer = measured
    keys = {
        *("prefill_latency_s", "decode_latency_s", "decode_latency_by_depth_s", "yardstick", "settled"),
        *("peak_memory_bytes", "memory_counts", "other_load", "preparation_s", "device", "threads"),
        "versions",
    }
    own = {"jax": {"power_w", "energy"}, "llama.cpp": set(), "onnxruntime": {"options"}}
    assert answer.keys() == keys | own[runtime.name]
    assert 0 < np.median(answer["decode_latency_s"]) < np.median(answer["prefill_latency_s"])
    assert answer["decode_latency_by_depth_s"].keys() == ({"8"} if runtime.further_depths else set())
    assert answer["peak_memory_bytes"] >= weight_and_state_bytes(MODEL, Workload(context=256))
    assert answer["threads"] == runtime.threads() and answer["device"].keys() == {"platform", "kind"}
    assert answer["yardstick"].keys() == {"prefill", "decode"} and "python" in answer["versions"]


def case(operator: str, copies: int) -> dict[str, Any]:
    block = {} if operator == HEAD else parse_layout(operator).blocks[0].at(Scale(width=64, head_dim=32))
    fields = {"operator": operator.partition("(")[0], "block": block and block.to_dict(), "copies": copies}
    made = Case(**fields, width=64, vocab_size=256, context=16)
    return made.model_dump(mode="json")


@pytest.mark.slow
@runtimes
def test_cases_are_measured_by_one_protocol(runtime: Runtime) -> None:
    sessions: Sessions = find_sessions(needed(runtime).sessions)
    cases = [case(HEAD, 1), case("attention", 3), case("swiglu(2)", 3)]
    answers = list(measure_cases(cases, sessions))
    assert [asked for asked, _ in answers] == cases
    for _, answer in answers:
        assert json.loads(json.dumps(answer)) == answer and "error" not in answer
        assert answer["origin"] == sessions.origin() | {"protocol": PROTOCOL}
        assert answer["origin"]["runtime"].startswith(runtime.provenance)
        times = ["prefill_s", "decode_s", *(["cached_s"] if "cached_s" in answer else [])]
        assert all(answer[time] > 0 for time in times)
        assert answer["working_bytes"] >= 1 and answer["yardstick"]["decode"] > 0
    assert 0 < NOISE_SHARE < 1
