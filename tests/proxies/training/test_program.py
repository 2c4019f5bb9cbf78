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
from proxies.training import program as training
from proxies.training import trials
from proxies.training.program import Metrics, compile_program, initial_state, padded_vocabulary
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
    state, metrics = compiled.steps(state, batches, np.full(8, 1e-3, np.float32))
    assert all(metric.shape == (8,) for metric in metrics)
    before = jax.tree.map(np.array, state)
    first = compiled.evaluate(state, batches[:3])
    assert equal(before, state)
    assert compiled.evaluate(state, batches[:3]) == first
    assert compiled.evaluate(state, batches[:2]) != first


def test_weight_decay_touches_matrices_only() -> None:
    parameters = initial_state(HYBRID, "next_token", LENGTH, 0).parameters
    optimizer = training._optimizer(0.25)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    updates, _ = optimizer.update(zeros, optimizer.init(parameters), parameters)
    for parameter, update in zip(jax.tree.leaves(parameters), jax.tree.leaves(updates), strict=True):
        expected = 0.25 * parameter if parameter.ndim > 1 else 0 * parameter
        np.testing.assert_allclose(update, expected, rtol=1e-6)
    assert {leaf.ndim for leaf in jax.tree.leaves(parameters)} >= {1, 2}


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
    _, metrics = compiled.steps(state, batches, np.full(60, 3e-3, np.float32))
    assert not metrics.loss.any()
    assert metrics.load_balance[0] > 1.9 and metrics.load_balance[-1] < 1.1


def test_a_balance_that_is_not_a_number_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def steps(self, state: Any, batches: list[Any], _: np.ndarray) -> tuple[Any, Metrics]:
            zero = np.zeros(len(batches), np.float32)
            return state, Metrics(zero, zero, np.where(np.arange(len(batches)) == 3, np.nan, zero))

    monkeypatch.setattr(trials, "compile_program", lambda *_: Broken())
    result = run_trial(MIXTURE, CONFIG, 0)
    assert (result.status, result.cause) == ("failed", "the loss became nan at step 3")
