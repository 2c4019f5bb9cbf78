"""Trials: reproducible to the bit, continued as if never interrupted, judged as an outsider would."""

import csv
import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomes import InvalidInput
from proxies.model import Model
from proxies.schedule import Schedule
from proxies.training import checkpoints, trials
from proxies.training.program import Proxy, initial_state, padded_vocabulary
from proxies.training.trials import run_trial
from proxies.trial import TrialConfig, TrialResult
from support.trial_cases import HYBRID, MEMORYLESS, config, equal, outcome, weights

# The same again


def test_the_same_arguments_give_the_same_bits(short: Path, tmp_path: Path) -> None:
    again = run_trial(HYBRID, config(), 3, tmp_path)
    first = json.loads((short / "result.json").read_text())
    assert outcome(again) == {name: first[name] for name in outcome(again)}
    assert (tmp_path / "curve.csv").read_bytes() == (short / "curve.csv").read_bytes()
    assert equal(weights(short), weights(tmp_path))


def test_another_seed_gives_another_result(short: Path) -> None:
    other = run_trial(HYBRID, config(), 4)
    assert other.loss != json.loads((short / "result.json").read_text())["loss"]


def test_the_name_and_vocabulary_of_the_architecture_do_not_matter() -> None:
    renamed = HYBRID.with_vocabulary(77).model_copy(update={"name": "renamed"})
    assert outcome(run_trial(renamed, config(20), 3)) == outcome(run_trial(HYBRID, config(20), 3))


# Continuing


def test_continuing_gives_the_bits_of_a_whole_training(short: Path, long: tuple, tmp_path: Path) -> None:
    result, directory = long
    continued = run_trial(HYBRID, config(60), 3, tmp_path, resume_from=short)
    assert (result.resumed_from_step, continued.resumed_from_step) == (0, 32)
    assert outcome(continued) == outcome(result)
    assert equal(weights(tmp_path), weights(directory))
    curve = (directory / "curve.csv").read_text().splitlines()
    assert (tmp_path / "curve.csv").read_text().splitlines()[1:] == curve[1 + 32 :]


def test_continuing_a_continued_trial(short: Path, tmp_path: Path) -> None:
    run_trial(HYBRID, config(60), 3, tmp_path / "middle", resume_from=short)
    longest = run_trial(HYBRID, config(100), 3, resume_from=tmp_path / "middle")
    assert longest.resumed_from_step == 48
    assert outcome(longest) == outcome(run_trial(HYBRID, config(100), 3))


def test_continuing_where_no_chunk_divides(tmp_path: Path) -> None:
    """11 steps decay after 9; 40 steps alone would go four at a time."""
    run_trial(HYBRID, config(11), 3, tmp_path)
    continued = run_trial(HYBRID, config(40), 3, resume_from=tmp_path)
    assert continued.resumed_from_step == 9
    assert outcome(continued) == outcome(run_trial(HYBRID, config(40), 3))


def test_a_shorter_training_does_not_continue_from_beyond_its_decay(long: tuple, short: Path) -> None:
    result = run_trial(HYBRID, config(), 3, resume_from=long[1])
    assert result.resumed_from_step == 0
    assert result.loss == json.loads((short / "result.json").read_text())["loss"]


def test_another_trials_checkpoint_is_refused(short: Path) -> None:
    for architecture, asked, seed, said in (
        (MEMORYLESS, config(60), 3, r"fingerprint = '\w+', asked for '\w+'"),
        (HYBRID, config(60), 4, "seed = 3, asked for 4"),
        (HYBRID, config(60, data_seed=1), 3, "data_seed = 0, asked for 1"),
        (HYBRID, config(60).model_copy(update={"learning_rate": 0.5}), 3, "asked for 0.5; legal: a trial"),
        (HYBRID, config(60).model_copy(update={"warmup_steps": 7}), 3, "warmup_steps = .*, asked for 7"),
    ):
        with pytest.raises(InvalidInput, match=rf"resume_from = .*: a trial with .*{said}"):
            run_trial(architecture, asked, seed, resume_from=short)


def test_without_its_result_a_trial_is_not_continued(short: Path, long: tuple, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(short, tmp_path / "copy"))
    (copy / "result.json").unlink()
    result = run_trial(HYBRID, config(60), 3, resume_from=copy)
    assert result.resumed_from_step == 0
    assert outcome(result) == outcome(long[0])


def test_a_trial_of_another_version_of_the_training_is_not_continued(
    short: Path, long: tuple, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(short, tmp_path / "copy"))
    result = json.loads((copy / "result.json").read_text())
    result["versions"]["training"] = "2"
    (copy / "result.json").write_text(json.dumps(result))
    again = run_trial(HYBRID, config(60), 3, resume_from=copy)
    assert again.resumed_from_step == 0
    assert outcome(again) == outcome(long[0])


schedules = st.builds(
    Schedule,
    steps=st.integers(2, 400),
    warmup_steps=st.integers(0, 50),
    decay_fraction=st.floats(0.01, 0.99),
).filter(lambda s: s.decay_start < s.steps)


@given(schedules, st.data())
def test_segments_cover_the_steps_and_the_decay_starts_one(schedule: Schedule, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, schedule.decay_start))
    segments = trials._segments(schedule, first)
    assert segments[0][0] == first and segments[-1][1] == schedule.steps
    assert all(one[1] == other[0] for one, other in pairwise(segments))
    assert schedule.decay_start in [start for start, _ in segments]


# Learning


def test_recall_is_learnt_and_not_without_memory() -> None:
    settings = {"vocab_size": 8}
    chance = math.log(4)  # the values
    learnt = run_trial(HYBRID, config(160, settings=settings, batch=16), 0)
    assert learnt.loss < chance / 4 and learnt.accuracy > 0.9
    assert learnt.score == 1 - learnt.loss / learnt.baseline_loss > 0.7
    assert (learnt.metric, learnt.baseline) == ("above_baseline", "commonest so far")
    assert learnt.bits_per_byte is None
    assert learnt.validation_loss == pytest.approx(learnt.loss, abs=0.2)
    guessed = run_trial(MEMORYLESS, config(160, settings=settings, batch=16), 0)
    assert chance - 0.05 < guessed.loss < chance + 0.2
    assert guessed.baseline_loss == learnt.baseline_loss < chance
    assert guessed.score < 0.05 and guessed.validation_score < 0.05


def test_text_is_learnt(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = ["alpha", "beta", "gamma", "delta"]
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(" ".join(rng.choice(words, 2000)), encoding="utf-8")
    result = run_trial(HYBRID, config(80, task="text", settings={"path": str(tmp_path)}), 0)
    assert result.loss < 1.5 < math.log(256)
    assert result.bits_per_byte == pytest.approx(result.loss / math.log(2))
    assert result.baseline == "bigram" and result.score == 1 - result.loss / result.baseline_loss


@pytest.mark.slow
def test_compression_reads_the_last_hidden_state_alone() -> None:
    settings = {"vocab_size": 4}
    asked = config(120, task="compression", settings=settings, length=4, batch=16)
    result = run_trial(HYBRID, asked, 0)
    # Without memory the last hidden state holds the last of the four tokens only.
    best_without_memory = math.log(4) * 3 / 4
    assert result.loss < 0.9 * best_without_memory and result.accuracy > 0.5
    forgetful = run_trial(MEMORYLESS, asked, 0)
    assert best_without_memory - 0.03 < forgetful.loss < best_without_memory + 0.2
    proxy = Proxy(MEMORYLESS, "last_token", 4)
    parameters = initial_state(MEMORYLESS, "last_token", 4, 0).parameters
    logits = proxy.apply({"params": parameters}, jnp.array([[1, 2, 3, 0], [3, 3, 1, 0], [1, 2, 3, 1]]))
    assert logits.shape == (3, 4, 16)
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5)
    assert np.abs(logits[0] - logits[2]).max() > 1e-4


# Judging


def test_evaluation_is_the_loss_of_a_plain_forward_pass(short: Path) -> None:
    result = json.loads((short / "result.json").read_text())
    asked = config()
    task = asked.make_task()
    model = Model(HYBRID.with_vocabulary(padded_vocabulary(task.vocab_size)))
    for split, prefix in (("test", ""), ("validation", "validation_")):
        losses, right = [], []
        for index in range(asked.evaluation_batches):
            batch = task.batch(split, trials.HELD_OUT_SEED, index, asked.batch)
            logits = np.asarray(
                model.apply({"params": weights(short)}, batch.tokens, method="forward"), float
            )
            logits = logits[..., : task.vocab_size]
            chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
            judged = batch.weights > 0
            losses += list(-np.log(np.take_along_axis(chances, batch.targets[..., None], -1)[..., 0])[judged])
            right += list((logits.argmax(-1) == batch.targets)[judged])
        assert result[f"{prefix}loss"] == pytest.approx(np.mean(losses), rel=1e-4)
        assert result[f"{prefix}accuracy"] == pytest.approx(np.mean(right), abs=1e-6)


def test_data_are_the_same_for_every_seed_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int]] = []

    class Recorded:
        def __init__(self, task: Any) -> None:
            self.task = task

        def __getattr__(self, name: str) -> Any:
            return getattr(self.task, name)

        def batch(self, split: str, seed: int, index: int, size: int) -> Any:
            asked.append((split, seed, index))
            return self.task.batch(split, seed, index, size)

    make = TrialConfig.make_task
    monkeypatch.setattr(TrialConfig, "make_task", lambda self: Recorded(make(self)))
    streams, losses = [], []
    for seed, data_seed in ((5, 2), (6, 2), (5, 3)):
        asked.clear()
        losses.append(run_trial(HYBRID, config(20, data_seed=data_seed), seed).loss)
        streams.append([call for call in asked if call[0] != "train"])
        drawn = [("train", data_seed, index) for index in range(20)]
        assert [call for call in asked if call[0] == "train"] == drawn
    assert streams[0] == streams[1] == streams[2]
    assert len(streams[0]) == 12 and len(set(streams[0])) == 12
    assert len(set(losses)) == 3


# Failures


@pytest.fixture(scope="module")
def diverged(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialResult, Path]:
    directory = tmp_path_factory.mktemp("diverged")
    return run_trial(HYBRID, config(learning_rate=1.0, weight_decay=1e30), 0, directory), directory


def test_a_diverging_trial_is_a_failed_result(diverged: tuple) -> None:
    result, directory = diverged
    assert result.status == "failed"
    assert result.loss is result.score is result.validation_loss is None
    rows = list(csv.DictReader((directory / "curve.csv").read_text().splitlines()))
    step = next(int(row["step"]) for row in rows if not math.isfinite(float(row["loss"])))
    assert result.cause.endswith(f"at step {step}") and 0 < step < 40
    assert TrialResult(**json.loads((directory / "result.json").read_text())) == result
    assert result.cause in (directory / "log.txt").read_text()
    assert not (directory / checkpoints.CHECKPOINT).exists()


def test_a_diverging_trial_writes_strict_json(diverged: tuple) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads((diverged[1] / "result.json").read_text(), parse_constant=refuse)


def test_without_a_directory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_trial(HYBRID, config(20), 0).status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"'no-such-task'.*in-context-recall"):
        run_trial(HYBRID, config(task="no-such-task"), 0)
