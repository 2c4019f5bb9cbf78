"""Every task: pure batches, streams apart, settings checked; a plain solver answers all that is judged."""

import hashlib
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes.errors import InvalidInput
from proxies.tasks import TASKS, Batch, Split, Task, make_task
from support.task_solvers import SOLVERS

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


Settings = dict[str, int]


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return make_task(request.param, 32, {})


def same(one: Batch, other: Batch) -> bool:
    return all(
        np.array_equal(getattr(one, field), getattr(other, field))
        for field in ("tokens", "targets", "weights")
    )


# Every task


def test_the_table_names_every_class_by_its_name() -> None:
    assert {name: kind.name for name, kind in TASKS.items()} == {name: name for name in TASKS}
    assert list(TASKS) == ["in-context-recall", "fuzzy-recall", "selective-copying", "compression", "text"]


def test_a_batch_has_the_promised_shape(task: Task) -> None:
    for size in (1, 5):
        batch = task.batch("train", 0, 0, size)
        assert batch.tokens.shape == batch.targets.shape == batch.weights.shape == (size, 32)
        assert batch.tokens.dtype == batch.targets.dtype == np.dtype(np.int32)
        assert batch.weights.dtype == np.dtype(np.float32)
        assert np.isin(batch.weights, [0, 1]).all()
        assert (batch.weights.sum(axis=1) >= 1).all()
        for tokens in (batch.tokens, batch.targets):
            assert tokens.min() >= 0
            assert tokens.max() < task.vocab_size


def test_a_batch_depends_on_its_arguments_only(task: Task) -> None:
    first = task.batch("train", 7, 2, 4)
    task.batch("train", 7, 3, 4)
    again = make_task(task.name, 32, {})
    assert again == task
    assert hash(again) == hash(task)
    assert same(again.batch("train", 7, 2, 4), first)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("split", ("dev", 0, 0, 1)),
        ("seed", ("train", -1, 0, 1)),
        ("index", ("train", 0, -1, 1)),
        ("index", ("train", 0, 2**32, 1)),
        ("size", ("train", 0, 0, 0)),
    ],
)
def test_a_batch_that_cannot_be_is_refused(
    task: Task, field: str, arguments: tuple[str, int, int, int]
) -> None:
    with pytest.raises(InvalidInput, match=f"task {task.name}: {field} = .*legal: "):
        task.batch(*arguments)  # type: ignore[arg-type]


def test_targets_are_the_tokens_that_the_readout_asks_for(task: Task) -> None:
    batch = task.batch("validation", 3, 1, 4)
    if task.readout == "last_token":
        assert np.array_equal(batch.targets, batch.tokens)
        assert batch.weights.all()
    else:
        assert np.array_equal(batch.targets[:, :-1], batch.tokens[:, 1:])


def test_no_two_streams_are_the_same(task: Task) -> None:
    seeds = (0, 1, 2**32, 1 + 2**32)  # (1 + 2^32, 0) and (1, 1) would meet if the seed preceded the index
    keys = [(split, seed, index) for split in SPLITS for seed in seeds for index in (0, 1)]
    drawn = {task.batch(*key, 2).tokens.tobytes() for key in keys}
    assert len(drawn) == len(keys)


def test_no_two_tasks_share_a_hash() -> None:
    assert len({make_task(name, 32, {}).data_hash for name in TASKS}) == len(TASKS)


def test_another_process_draws_the_same(task: Task) -> None:
    code = (
        "import hashlib, sys; from proxies.tasks import make_task; t = make_task(sys.argv[1], 32, {});"
        "print(t.data_hash, hashlib.sha256(t.batch('test', 5, 6, 7).tokens.tobytes()).hexdigest());"
        "print('jax' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, task.name], capture_output=True, text=True, check=True)
    there, jax_loaded = run.stdout.splitlines()
    here = hashlib.sha256(task.batch("test", 5, 6, 7).tokens.tobytes()).hexdigest()
    assert there == f"{task.data_hash} {here}"
    assert jax_loaded == "False"


def test_the_hash_tells_the_settings(task: Task) -> None:
    assert re.fullmatch("[0-9a-f]{16}", task.data_hash)
    assert make_task(task.name, 32, {}).data_hash == task.data_hash
    assert make_task(task.name, 33, {}).data_hash != task.data_hash
    if task.name != "text":
        assert make_task(task.name, 32, {"vocab_size": 20}).data_hash != task.data_hash


def test_differences_of_scores_are_told_apart_from_a_hundredth_on(task: Task) -> None:
    assert task.resolution == 0.01


# What can be known


@st.composite
def solvable(draw: st.DrawFn) -> Task:
    name = draw(st.sampled_from(sorted(SOLVERS)))
    chosen: Settings = {"vocab_size": 2 * draw(st.integers(2, 12))}
    shortest = 3
    if name == "fuzzy-recall":
        chosen["motif"] = draw(st.integers(2, 5))
        chosen["pairs"] = draw(st.integers(1, chosen["vocab_size"] // 2))
        shortest = 3 * chosen["motif"]
    if name == "selective-copying":
        chosen["copy"] = draw(st.integers(1, 10))
        shortest = 2 * chosen["copy"] + 2
    return make_task(name, draw(st.integers(shortest, shortest + 60)), chosen)


@settings(max_examples=150, deadline=None)
@given(task=solvable(), split=st.sampled_from(SPLITS), seed=st.integers(0, 2**40))
def test_exactly_what_is_judged_can_be_known(task: Task, split: Split, seed: int) -> None:
    batch = task.batch(split, seed, 0, 3)
    assert (batch.weights.sum(axis=1) >= 1).all()
    assert batch.targets.max() < task.vocab_size
    for tokens, targets, weights in zip(batch.tokens, batch.targets, batch.weights, strict=True):
        answers = list(SOLVERS[task.name](tokens.tolist(), task.vocab_size))
        expected = [int(target) if judged else None for target, judged in zip(targets, weights, strict=True)]
        assert answers == expected


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_what_is_not_judged_is_free(name: str) -> None:
    """Behind equal beginnings, unjudged targets differ between sequences (so judging them would be noise)."""
    task = make_task(name, 18, {"vocab_size": 8})
    batch = task.batch("train", 0, 0, 40_000)
    after: dict[tuple[int, ...], set[int]] = {}
    judged_after: dict[tuple[int, ...], set[int]] = {}
    for tokens, targets, weights in zip(batch.tokens, batch.targets, batch.weights, strict=True):
        for place in range(3):
            seen = judged_after if weights[place] else after
            seen.setdefault(tuple(tokens[: place + 1].tolist()), set()).add(int(targets[place]))
    assert after
    assert all(len(found) > 1 for found in after.values())
    assert all(len(found) == 1 for found in judged_after.values())


def test_the_shortest_legal_lengths_work() -> None:
    for name, length in [("in-context-recall", 3), ("fuzzy-recall", 9), ("selective-copying", 18)]:
        assert (make_task(name, length, {}).batch("train", 0, 0, 100).weights.sum(axis=1) >= 1).all()


# What is refused


@pytest.mark.parametrize(
    ("name", "length", "chosen", "field", "value"),
    [
        ("in-context-recall", 2, {}, "length", "2"),
        ("in-context-recall", 32, {"vocab_size": 2}, "vocab_size", "2"),
        ("in-context-recall", 32, {"vocab_size": 15}, "vocab_size", "15"),
        ("in-context-recall", 32, {"vocab_size": 65538}, "vocab_size", "65538"),
        ("fuzzy-recall", 8, {}, "length", "8"),
        ("fuzzy-recall", 32, {"vocab_size": 7}, "vocab_size", "7"),
        ("fuzzy-recall", 32, {"motif": 1}, "motif", "1"),
        ("fuzzy-recall", 32, {"pairs": 0}, "pairs", "0"),
        ("fuzzy-recall", 32, {"pairs": 9}, "pairs", "9"),
        ("fuzzy-recall", 32, {"pairs": 65, "vocab_size": 256}, "pairs", "65"),
        ("selective-copying", 17, {}, "length", "17"),
        ("selective-copying", 32, {"copy": 16}, "length", "32"),
        ("selective-copying", 32, {"copy": 0}, "copy", "0"),
        ("selective-copying", 32, {"vocab_size": 3}, "vocab_size", "3"),
        ("compression", 1, {}, "length", "1"),
        ("compression", 32, {"vocab_size": 1}, "vocab_size", "1"),
        ("text", 0, {}, "length", "0"),
        ("text", 32, {"max_bytes": 100}, "max_bytes", "100"),
        ("text", 32, {"max_bytes": "1GB"}, "max_bytes", "'1GB'"),
        ("text", 32, {"source": "wikipedia"}, "source", "'wikipedia'"),
        ("text", 32, {"source": ["python-stdlib"]}, "source", "['python-stdlib']"),
        ("text", 32, {"path": 3}, "path", "3"),
        ("text", 32, {"path": ""}, "path", "''"),
        ("text", 32, {"tokenizer": True}, "tokenizer", "True"),
    ],
)
def test_a_setting_out_of_range_is_named(
    name: str, length: int, chosen: dict[str, object], field: str, value: str
) -> None:
    with pytest.raises(InvalidInput, match=rf"task {name}: {field} = {re.escape(value)}; legal: "):
        make_task(name, length, chosen)


@pytest.mark.parametrize("value", [True, 16.0, "16", None, [16]])
@pytest.mark.parametrize("name", ["in-context-recall", "fuzzy-recall", "selective-copying", "compression"])
def test_a_setting_of_the_wrong_type_is_named(name: str, value: object) -> None:
    expected = rf"task {name}: %s = {re.escape(repr(value))}; legal: an integer"
    with pytest.raises(InvalidInput, match=expected % "vocab_size"):
        make_task(name, 32, {"vocab_size": value})
    with pytest.raises(InvalidInput, match=expected % "length"):
        make_task(name, value, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["memorization", "", ["text"]])
def test_an_unknown_task_is_refused_with_the_known_ones(name: object) -> None:
    known = "in-context-recall, fuzzy-recall, selective-copying, compression, text"
    with pytest.raises(InvalidInput, match=rf"task = {re.escape(repr(name))}; legal: {known}"):
        make_task(name, 32, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("setting", ["motifs", "length", "name", 1])
def test_an_unknown_setting_is_refused_with_the_known_ones(setting: object) -> None:
    expected = rf"task fuzzy-recall: unknown setting {setting!r}; legal: motif, pairs, vocab_size"
    with pytest.raises(InvalidInput, match=expected):
        make_task("fuzzy-recall", 32, {setting: 3})  # type: ignore[dict-item]
