"""The program of training steps: pure in judging, AdamW on matrices, mixtures of experts kept in balance."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import (
    Architecture,
    MoE,
    SwiGLU,
)
from proxies.tasks import make_task
from proxies.training import trials
from proxies.training.program import (
    Metrics,
    Proxy,
    compile_program,
    initial_state,
    judge,
    padded_vocabulary,
)
from proxies.training.trials import run_trial
from proxies.trial import TrialConfig, TrialResult
from support.trial_cases import HYBRID, LENGTH, config, equal


def test_evaluation_leaves_the_state_as_it_is() -> None:
    asked = config()
    task = asked.make_task()
    proxy = HYBRID.with_vocabulary(padded_vocabulary(task.vocab_size))
    compiled = compile_program(proxy, task.readout, asked.batch, LENGTH, asked.weight_decay)
    state = initial_state(proxy, task.readout, LENGTH, 0)
    batches = [task.batch("train", 0, index, asked.batch) for index in range(8)]
    state, metrics = compiled.steps(state, batches, np.full(8, 1e-3, np.float32), 16)
    assert all(metric.shape == (8,) for metric in metrics)
    before = jax.tree.map(np.array, state)
    first = compiled.evaluate(state, batches[:3], 16)
    assert equal(before, state)
    assert compiled.evaluate(state, batches[:3], 16) == first
    assert compiled.evaluate(state, batches[:2], 16) != first


# Judging


def test_one_program_serves_small_and_large_vocabularies() -> None:
    asked = config()
    proxy = HYBRID.with_vocabulary(256)
    compiled = compile_program(proxy, "next_token", asked.batch, LENGTH, asked.weight_decay)
    forward = Proxy(proxy, "next_token", LENGTH)
    for size in (4, 16, 256):
        task = make_task("in-context-recall", LENGTH, {"vocab_size": size})
        batches = [task.batch("train", 0, index, asked.batch) for index in range(6)]
        state = initial_state(proxy, "next_token", LENGTH, 0)
        logits = forward.apply({"params": state.parameters}, batches[0].tokens)[..., :size]
        alone, _ = judge(logits, batches[0].targets, batches[0].weights, size)
        _, metrics = compiled.steps(state, batches, np.full(6, 1e-3, np.float32), size)
        assert metrics.loss[0] == pytest.approx(float(alone), rel=1e-4)
        assert np.isfinite(metrics.loss).all()


def test_tokens_beyond_the_vocabulary_are_never_chosen() -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((2, 7, 12)).astype(np.float32)
    targets, weights = rng.integers(0, 5, (2, 7)), np.ones((2, 7), np.float32)
    cut = logits[..., :5]
    expected = -np.take_along_axis(cut - np.log(np.exp(cut).sum(-1, keepdims=True)), targets[..., None], -1)
    logits[..., 5:] += 1000
    loss, accuracy = judge(logits, targets, weights, 5)
    assert loss == pytest.approx(expected.mean(), rel=1e-5)
    assert accuracy == pytest.approx((cut.argmax(-1) == targets).mean())
    gradient = jax.grad(lambda z: judge(z, targets, weights, 5)[0])(logits)
    assert np.isfinite(gradient).all()
    assert (gradient[..., 5:] == 0).all() and (gradient[..., :5] != 0).all()


def test_a_tie_counts_as_breaking_it_at_random() -> None:
    logits = np.array([[[2, 2, 1, 0], [3, 3, 3, 3], [0, 1, 0, 0], [5, 0, 0, 5], [9, 9, 0, 0]]], np.float32)
    for targets, weights, expected in (
        ([0, 0, 0, 3, 3], [1, 1, 1, 1, 1], (1 / 2 + 1 / 4 + 0 + 1 / 2 + 0) / 5),
        ([1, 1, 1, 1, 1], [1, 0, 1, 0, 1], (1 / 2 + 1 + 1 / 2) / 3),
    ):
        _, accuracy = judge(logits, np.array([targets]), np.array([weights], np.float32), 4)
        assert accuracy == pytest.approx(expected)
    _, accuracy = judge(logits[:, 1:2], np.array([[0]]), np.ones((1, 1), np.float32), 3)
    assert accuracy == pytest.approx(1 / 3), "tokens beyond the vocabulary tie with none"


def test_constant_logits_are_right_by_chance() -> None:
    flat = HYBRID.with_vocabulary(256).model_copy(update={"logit_scale": 1e-45})
    parameters = initial_state(flat, "next_token", LENGTH, 0).parameters
    batch = make_task("in-context-recall", LENGTH, {}).batch("test", 0, 0, 8)
    logits = Proxy(flat, "next_token", LENGTH).apply({"params": parameters}, batch.tokens)
    loss, accuracy = judge(logits, batch.targets, batch.weights, 16)
    assert loss == pytest.approx(np.log(16), rel=1e-5)
    assert accuracy == pytest.approx(1 / 16, rel=1e-5)


# Balance of experts


MIXTURE = Architecture(
    width=16, vocab_size=16, blocks=(SwiGLU(hidden=16), MoE(experts=4, top_k=2, hidden=16, shared_hidden=16))
)


CONFIG = TrialConfig(
    task="in-context-recall", length=16, batch=8, steps=10, learning_rate=5e-3, evaluation_batches=2
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialResult, Path]:
    directory = tmp_path_factory.mktemp("mixture")
    return run_trial(MIXTURE, CONFIG, 0, directory), directory


def test_training_reports_the_balance(trained: tuple[TrialResult, Path]) -> None:
    result, directory = trained
    assert result.status == "ok"
    assert 0.9 < result.load_balance < 4
    assert json.loads((directory / "result.json").read_text())["load_balance"] == result.load_balance
    rows = list(csv.DictReader((directory / "curve.csv").read_text().splitlines()))
    assert len(rows) == CONFIG.steps and all(0.9 < float(row["load_balance"]) < 4 for row in rows)


def test_training_balances_a_collapsed_router(trained: tuple[TrialResult, Path]) -> None:
    """With nothing judged, only the load-balancing loss moves the weights."""
    del trained  # compiled the program
    task = CONFIG.make_task()
    proxy = MIXTURE.with_vocabulary(padded_vocabulary(task.vocab_size))
    compiled = compile_program(proxy, task.readout, CONFIG.batch, CONFIG.length, CONFIG.weight_decay)
    state = initial_state(proxy, task.readout, CONFIG.length, 0)
    weights = state.parameters["model"]
    weights["embedding"] = weights["embedding"].at[:, 0].set(3.0)
    weights["ops_1"]["router"] = weights["ops_1"]["router"].at[0].set(jnp.array([2.0, 2, 0, 0]))
    batch = task.batch("train", 0, 0, CONFIG.batch)
    batches = [replace(batch, weights=np.zeros_like(batch.weights))] * 60
    _, metrics = compiled.steps(state, batches, np.full(60, 3e-3, np.float32), task.vocab_size)
    assert not metrics.loss.any()
    assert metrics.load_balance[0] > 1.9 and metrics.load_balance[-1] < 1.1


def test_a_balance_that_is_not_a_number_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def steps(self, state: Any, batches: list[Any], *_: Any) -> tuple[Any, Metrics]:
            zero = np.zeros(len(batches), np.float32)
            return state, Metrics(zero, zero, np.where(np.arange(len(batches)) == 3, np.nan, zero))

    monkeypatch.setattr(trials, "compile_program", lambda *_: Broken())
    result = run_trial(MIXTURE, CONFIG, 0)
    assert (result.status, result.cause) == ("failed", "the loss became nan at step 3")
