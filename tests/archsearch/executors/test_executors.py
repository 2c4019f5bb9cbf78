"""What every executor promises, asked of all of them."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from archsearch.executors import Executor, Job, Outcome, WorkerSettings, make_executor
from archsearch.executors.base import available_cpus
from genomes.errors import InvalidInput

Name = Literal["local", "ray"]
Make = Callable[..., Executor]

PATIENCE_S = 60.0

pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
"""Ray forks to start its daemons, in a process where other tests may have used jax: harmless, it execs."""


@pytest.fixture(scope="module", params=["local", "ray"])
def name(request: pytest.FixtureRequest) -> Iterator[Name]:
    """The executor's name; for Ray, one Ray with room for all that the tests start."""
    if request.param == "local":
        yield "local"
    else:
        with make_executor("ray", 4, None, WorkerSettings()):
            yield "ray"


@pytest.fixture(scope="module")
def shared(name: Name) -> Iterator[Executor]:
    """Two workers that live through the module."""
    with make_executor(name, 2, None, WorkerSettings()) as executor:
        yield executor


@pytest.fixture
def make(name: Name) -> Iterator[Make]:
    made: list[Executor] = []

    def make(workers: int = 1, **settings: Any) -> Executor:
        made.append(make_executor(name, workers, None, WorkerSettings(**settings)))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def job(key: str, function: str, **payload: Any) -> Job:
    return Job(key, f"support.worker_functions:{function}", payload)


def run(executor: Executor, *jobs: Job) -> dict[str, Outcome]:
    for one in jobs:
        executor.submit(one)
    outcomes = []
    while (outcome := executor.next(PATIENCE_S)) is not None:
        outcomes.append(outcome)
    assert sorted(outcome.key for outcome in outcomes) == sorted(one.key for one in jobs)
    return {outcome.key: outcome for outcome in outcomes}


def run_one(executor: Executor, function: str, **payload: Any) -> Outcome:
    return run(executor, job("one", function, **payload))["one"]


def test_results_come_back_with_their_keys(shared: Executor) -> None:
    payloads = {f"key {index}": {"number": index, "nested": {"list": [index, None]}} for index in range(20)}
    outcomes = run(shared, *(job(key, "echo", **payload) for key, payload in payloads.items()))
    assert {key: outcome.result for key, outcome in outcomes.items()} == payloads
    for outcome in outcomes.values():
        host, _, pid = outcome.worker.rpartition(":")
        assert outcome.failure is None
        assert host == socket.gethostname()
        assert int(pid) != os.getpid()
        assert outcome.seconds >= 0.0


def test_nothing_submitted_is_nothing_to_wait_for(shared: Executor) -> None:
    assert shared.next() is None


def test_next_gives_up_after_its_timeout(shared: Executor) -> None:
    shared.submit(job("slow", "sleep", seconds=2.0))
    began = time.monotonic()
    assert shared.next(timeout=0.2) is None
    assert time.monotonic() - began < 1.5
    outcome = shared.next(PATIENCE_S)
    assert outcome is not None
    assert outcome.key == "slow"


def test_submit_does_not_wait(make: Make) -> None:
    executor = make()
    began = time.monotonic()
    for index in range(10):
        executor.submit(job(str(index), "sleep", seconds=5.0))
    assert time.monotonic() - began < 1.0


def test_one_worker_runs_one_job_at_a_time_in_order(make: Make) -> None:
    keys = [str(index) for index in range(5)]
    outcomes = run(make(), *(job(key, "stamp", seconds=0.05) for key in keys))
    stamps = [outcomes[key].result for key in keys]
    assert all(earlier["ended"] <= later["started"] for earlier, later in itertools.pairwise(stamps))


def test_startup_is_charged_once(make: Make) -> None:
    outcomes = run(make(), *(job(str(index), "echo") for index in range(3)))
    startup = [outcomes[str(index)].startup_seconds for index in range(3)]
    assert 0.05 < startup[0] < PATIENCE_S
    assert startup[1:] == [0.0, 0.0]


def test_an_exception_fails_its_job_and_the_worker_survives(make: Make) -> None:
    executor = make()
    before = run_one(executor, "who")
    failed = run_one(executor, "fail", text="no such block")
    assert failed.result is None
    assert failed.failure is not None
    assert failed.failure.kind == "error"
    assert failed.failure.message == "KeyError: 'no such block'"
    assert "in fail" in failed.failure.detail
    assert failed.worker == before.worker == run_one(executor, "who").worker


@pytest.mark.parametrize(
    ("function", "payload", "message"),
    [
        ("support.worker_functions:leave", {"code": 4}, "SystemExit: 4"),
        ("support.worker_functions:fail_oddly", {}, "OddError: 1 and 2"),
        (
            "support.worker_functions:not_json",
            {},
            "TypeError: Object of type object is not JSON serializable",
        ),
        ("support.worker_functions:not_a_dict", {}, "returned list; a job returns a dict"),
        ("support.worker_functions:missing", {}, "has no attribute 'missing'"),
        ("no_such_module:echo", {}, "ModuleNotFoundError: No module named 'no_such_module'"),
        ("support.worker_functions", {}, 'ValueError: a job names its function as "package.module:name"'),
    ],
)
def test_what_a_job_does_wrong_is_its_failure(
    shared: Executor, function: str, payload: dict[str, Any], message: str
) -> None:
    outcome = run(shared, Job("wrong", function, payload))["wrong"]
    assert outcome.failure is not None
    assert outcome.failure.kind == "error"
    assert message in outcome.failure.message
    assert "\n" not in outcome.failure.message


def test_a_payload_that_is_not_json_is_refused_at_once(shared: Executor) -> None:
    with pytest.raises(TypeError):
        shared.submit(job("bad", "echo", value=object()))
    assert shared.next(timeout=0.0) is None


@pytest.mark.parametrize("how", ["python", "jax"])
def test_memory_that_cannot_be_had(shared: Executor, how: str) -> None:
    outcome = run_one(shared, "exhaust", how=how)
    assert outcome.failure is not None
    assert outcome.failure.kind == "out_of_memory"


@pytest.mark.parametrize(("how", "said"), [("exit", "exited with code 3"), ("kill", "memory")])
def test_a_worker_that_dies_fails_only_its_own_job(shared: Executor, name: Name, how: str, said: str) -> None:
    others = [job(str(index), "sleep", seconds=0.3) for index in range(6)]
    outcomes = run(shared, others[0], job("victim", "die", how=how, after=0.1), *others[1:])
    victim = outcomes.pop("victim")
    assert victim.failure is not None
    assert victim.failure.kind == "crashed"
    assert victim.worker.rpartition(":")[2].isdecimal()
    assert all(outcome.failure is None for outcome in outcomes.values())
    assert run_one(shared, "echo", after="all").result == {"after": "all"}
    if name == "local":  # Ray does not tell
        assert said in victim.failure.message
        assert "last words" in victim.failure.detail


def test_a_worker_that_dies_between_jobs_is_replaced(make: Make, name: Name) -> None:
    executor = make()
    pid = run_one(executor, "who").result["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10.0)
    outcomes = run(executor, *(job(str(index), "who") for index in range(3)))
    failures = [outcome.failure for outcome in outcomes.values() if outcome.failure is not None]
    # Ray reports the death of an actor only to its next call, which cannot know whether the job had begun.
    assert len(failures) <= (0 if name == "local" else 1)


def test_a_job_past_its_time_is_killed_and_waiting_is_not_counted(make: Make) -> None:
    executor = make(timeout_s=1.5)
    jobs = [job(f"short {index}", "sleep", seconds=0.6) for index in range(4)]
    outcomes = run(executor, *jobs, job("long", "sleep", seconds=600.0), job("after", "echo"))
    long = outcomes.pop("long")
    assert long.failure is not None
    assert long.failure.kind == "timeout"
    assert "1.5 s" in long.failure.message
    assert 1.5 <= long.seconds < 10.0
    assert all(outcome.failure is None for outcome in outcomes.values())
    assert outcomes["after"].worker != long.worker
    assert outcomes["after"].startup_seconds > 0.0


def test_what_a_killed_job_started_dies_too(make: Make, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    outcome = run_one(make(timeout_s=3.0), "start_child", seconds=600, pid_file=str(pid_file))
    assert outcome.failure is not None
    assert outcome.failure.kind == "timeout"
    assert_gone([int(pid_file.read_text())])


def test_processes_are_replaced_after_so_many_jobs(make: Make) -> None:
    outcomes = run(make(recycle_after=2), *(job(str(index), "who") for index in range(5)))
    pids = [outcomes[str(index)].result["pid"] for index in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]
    assert [outcomes[str(index)].startup_seconds > 0.0 for index in range(5)] == [True, False] * 2 + [True]


def test_jax_runs_on_the_platform_asked_for(shared: Executor) -> None:
    assert run_one(shared, "backend").result == {"backend": "cpu"}


def test_another_platform_than_asked_for_is_refused(make: Make) -> None:
    executor = make(platform="no-such-platform")
    executor.submit(job("never", "echo"))
    with pytest.raises(InvalidInput, match=r"workers cannot start.*no-such-platform"):
        executor.next(PATIENCE_S)


@pytest.mark.slow  # it measures, so nothing may run beside it
@pytest.mark.skipif(available_cpus() < 2, reason="on one CPU nothing can use more than one")
def test_one_thread_means_one_core(make: Make) -> None:
    used = run_one(make(threads=1), "burn", seconds=1.0).result
    assert used["cores"] < 1.15  # without limits 1.9 of 2
    assert used["compile_cores"] < 1.4  # 1.7 of 2
    assert used["affinity"] in (0, available_cpus())  # free to run anywhere


def test_all_executors_and_workers_compute_the_same(shared: Executor) -> None:
    with make_executor("local", 1, None, WorkerSettings()) as reference:
        expected = run_one(reference, "train", seed=7, steps=20).result
    outcomes = run(shared, *(job(str(index), "train", seed=7, steps=20) for index in range(3)))
    assert expected["losses"][-1] < expected["losses"][0]
    assert [outcome.result for outcome in outcomes.values()] == [expected] * 3


def test_close_kills_what_runs_and_can_be_repeated(make: Make) -> None:
    executor = make(workers=2)
    pids = {outcome.result["pid"] for outcome in run(executor, *waiting(4, 0.3)).values()}
    for one in waiting(6, 600.0):
        executor.submit(one)
    executor.next(timeout=0.5)
    executor.close()
    executor.close()
    assert len(pids) == 2
    assert_gone(pids)
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(job("late", "echo"))


def waiting(count: int, seconds: float) -> list[Job]:
    return [job(f"wait {index}", "sleep", seconds=seconds) for index in range(count)]


def assert_gone(pids: list[int] | set[int], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while left := [pid for pid in pids if running(pid)]:
        assert time.monotonic() < end, f"still running: {left}"
        time.sleep(0.1)


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# The driver in a process of its own ---------------------------------------------------------------------

# A shell that starts pytest in the background has it ignore SIGINT, which children inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

DRIVER = """
import json, os, sys, psutil
from archsearch.executors import Job, WorkerSettings, make_executor

name, then = sys.argv[1:]
try:
    with make_executor(name, 2, None, WorkerSettings()) as executor:
        executor.submit(Job("first", "support.worker_functions:train", {"seed": 1, "steps": 2}))
        executor.next()
        if then == "wait":
            for index in range(2):
                executor.submit(Job(str(index), "support.worker_functions:sleep", {"seconds": 600.0}))
            executor.next(timeout=1.5)
            print("ready", flush=True)
            executor.next()
except KeyboardInterrupt:
    sys.exit(130)
left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
heavy = sorted({"jax", "jaxlib", "flax", "ray", "torch"} & set(sys.modules))
print(json.dumps({"left": left, "heavy": heavy}))
"""


def driver(name: str, then: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, name, then],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("name", ["local", "ray"])
def test_the_driver_stays_light_and_leaves_nothing_behind(name: str) -> None:
    with driver(name, "finish") as process:
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    assert json.loads(output) == {"left": [], "heavy": ["ray"] if name == "ray" else []}
    assert errors == ""


@pytest.mark.parametrize("name", ["local", "ray"])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_driver(name: str, ending: signal.Signals) -> None:
    with driver(name, "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        children = psutil.Process(process.pid).children(recursive=True)
        # Ray's agents are no workers of ours: those take a minute to see that their driver was killed.
        started = [child.pid for child in children if "Agent" not in "".join(child.cmdline())]
        if ending == signal.SIGINT:
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        else:
            process.kill()
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (130 if ending == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in errors
    assert len(started) >= 2
    assert_gone(started)


# What is particular to one of them ----------------------------------------------------------------------


@pytest.mark.parametrize("address", ["ray://127.0.0.1", "ray://127.0.0.1:port", "127.0.0.1:6379", "yes", ""])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"legal: auto, ray://HOST:PORT"):
        make_executor("ray", None, address, WorkerSettings())


def test_a_ray_that_does_not_answer() -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(InvalidInput, match=r"address = 'ray://127.*nothing answers"):
            make_executor("ray", None, f"ray://127.0.0.1:{taken.getsockname()[1]}", WorkerSettings())


def test_local_has_no_address() -> None:
    with pytest.raises(InvalidInput, match="address"):
        make_executor("local", None, "auto", WorkerSettings())


def test_the_default_is_a_worker_for_so_many_cpus() -> None:
    cpus = available_cpus()
    with make_executor("local", None, None, WorkerSettings(threads=1)) as executor:
        assert executor.workers == cpus
    with make_executor("local", None, None, WorkerSettings(threads=cpus + 1)) as executor:
        assert executor.workers == 1


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"recycle_after": 0}, {"timeout_s": 0.0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        WorkerSettings(**wrong)


def test_no_workers_are_no_executor() -> None:
    with pytest.raises(InvalidInput, match="workers = 0"):
        make_executor("local", 0, None, WorkerSettings())
