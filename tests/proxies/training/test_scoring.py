"""Proxies judged as they are stored: exactly where nothing is rounded, worse where much is."""

from pathlib import Path

import jax
import numpy as np
import pytest

from genomes import Architecture, parse_layout
from genomes.scale import Scale
from proxies.tasks.base import Batch, Readout
from proxies.training.program import Proxy, TrainingState, initial_state, judge
from proxies.training.scoring import all_finite, compile_decoding, judged_by_decoding, with_stored_weights
from proxies.training.trials import run_trial
from proxies.trial import TrialConfig, TrialResult
from support.operator_cases import CASES, FIRST, WIDTH

BATCH, LENGTH, VOCABULARY = 2, 19, 256
SCALE = Scale(width=32, head_dim=16, vocab_size=VOCABULARY)
RECALL = TrialConfig(
    task="in-context-recall",
    settings={"vocab_size": 16},
    length=32,
    batch=8,
    steps=20,
    learning_rate=1e-2,
    warmup_steps=2,
    evaluation_batches=2,
)
HYBRID = "attention(kv=1/2) swiglu(2) mamba2 swiglu(2)"


def at(text: str) -> Architecture:
    return parse_layout(text).at(SCALE)


def stack(*names: str) -> Architecture:
    """A block of each of these operators."""
    blocks = tuple(CASES[name] for name in names)
    return Architecture(width=WIDTH, vocab_size=VOCABULARY, blocks=blocks, cache="float32")


KINDS = ("attention-window", "short_conv-3", "gated_deltanet", "s4d", "rg_lru", "hyena", "moe", "skip")
"""States of every kind: a ring, last inputs, matrices, real and complex numbers, all inputs, none."""


def batches(count: int = 2) -> list[Batch]:
    rng = np.random.default_rng(5)
    tokens = rng.integers(0, VOCABULARY, (count, 2, BATCH, LENGTH)).astype(np.int32)
    weights = rng.integers(0, 2, (count, BATCH, LENGTH)).astype(np.float32)
    return [Batch(*pair, weight) for pair, weight in zip(tokens, weights, strict=True)]


def trained(architecture: Architecture, readout: Readout = "next_token") -> TrainingState:
    """Weights moved off their initial zeros and ones."""
    state = initial_state(architecture, readout, LENGTH, 1)
    rng = np.random.default_rng(3)
    move = lambda p: p + 0.1 * rng.standard_normal(p.shape).astype(p.dtype)  # noqa: E731
    return TrainingState(jax.tree.map(move, state.parameters), state.moments)


@pytest.mark.parametrize(
    ("architecture", "readout"),
    [
        pytest.param(stack(*sorted(FIRST)), "next_token", id="every operator", marks=pytest.mark.slow),
        pytest.param(stack(*KINDS), "next_token", id="states of every kind"),
        pytest.param(at(f"{HYBRID} cache=float32"), "last_token", id="a task's decoder"),
    ],
)
def test_token_by_token_without_rounding_is_the_whole_sequence(
    architecture: Architecture, readout: Readout
) -> None:
    state, proxy = trained(architecture.bare, readout), Proxy(architecture.bare, readout, LENGTH)
    logits = jax.jit(proxy.apply)
    for batch in batches():
        whole = judge(
            logits({"params": state.parameters}, batch.tokens), batch.targets, batch.weights, VOCABULARY
        )
        steps = compile_decoding(architecture, readout, BATCH, LENGTH).evaluate(state, [batch], VOCABULARY)
        assert steps[0] == pytest.approx(float(whole[0]), rel=1e-4)
        assert steps[1] == pytest.approx(float(whole[1]), abs=0.05)


def test_states_that_are_shared_are_rounded_too() -> None:
    shared = at("attention attention(cache=@0) mamba2 mamba2(weights=@2) swiglu(2)")
    found = {}
    for cache in ("float32", "float16", "int8"):
        architecture = Architecture(
            **{n: getattr(shared, n) for n in Architecture.model_fields} | {"cache": cache}
        )
        found[cache] = compile_decoding(architecture, "next_token", BATCH, LENGTH).evaluate(
            trained(shared), batches(), VOCABULARY
        )[0]
    assert found["float32"] != found["float16"] != found["int8"]
    assert found["float16"] == pytest.approx(found["float32"], rel=1e-3)
    assert found["int8"] == pytest.approx(found["float32"], rel=3e-2)


def test_only_the_models_matrices_are_rounded() -> None:
    architecture = at(f"{HYBRID} weights=int8")
    state = trained(architecture.bare, "last_token")
    found = with_stored_weights(architecture, state).parameters
    for name in ("expand", "positions", "contract"):
        np.testing.assert_array_equal(found[name], state.parameters[name])
    for path, leaf in jax.tree_util.tree_leaves_with_path(found["model"]):
        before = state.parameters["model"]
        for key in path:
            before = before[key.key]
        kept = leaf.ndim < 2 or path[-1].key.endswith("conv")
        assert (np.asarray(leaf) == np.asarray(before)).all() == kept, path


@pytest.mark.parametrize("text", [HYBRID, f"{HYBRID} weights=float32 cache=float32"])
def test_what_is_stored_as_the_arithmetic_is_judged_as_it_is(text: str) -> None:
    architecture = at(text)
    state = trained(architecture.bare)
    assert with_stored_weights(architecture, state) is state
    assert not judged_by_decoding(architecture)


def test_infinities_are_found() -> None:
    assert all_finite({"a": np.ones(2)})
    assert not all_finite({"a": np.ones(2), "b": np.array([1.0, np.inf])})


# Trials


@pytest.fixture(scope="module")
def scored() -> dict[str, TrialResult]:
    types = ("", " weights=float32", " weights=int8", " weights=int8 cache=int8", " cache=float16")
    return {text: run_trial(at(HYBRID + text), RECALL, 4) for text in types}


@pytest.mark.slow
def test_training_is_the_same_and_the_score_is_not(scored: dict[str, TrialResult]) -> None:
    assert {result.status for result in scored.values()} == {"ok"}
    assert len({result.fingerprint for result in scored.values()}) == len(scored)
    bare = scored[""]
    same = scored[" weights=float32"]
    assert (same.loss, same.validation_loss, same.score) == (bare.loss, bare.validation_loss, bare.score)
    assert len({result.loss for result in scored.values()}) == len(scored) - 1
    assert scored[" cache=float16"].loss == pytest.approx(bare.loss, rel=1e-2)
    assert scored[" weights=int8"].loss == pytest.approx(bare.loss, rel=3e-2)
    assert (bare.load_balance, scored[" cache=float16"].load_balance) == (0.0, None)


def test_the_weights_that_are_kept_are_the_trained_ones(tmp_path: Path) -> None:
    """A longer trial goes on from them: what is rounded is scored and forgotten."""
    from proxies.training.checkpoints import read_trial_weights

    for name, text in (("bare", HYBRID), ("stored", f"{HYBRID} weights=int4 cache=int8")):
        run_trial(at(text), RECALL, 4, tmp_path / name)
    bare, kept = (jax.tree.leaves(read_trial_weights(tmp_path / name)) for name in ("bare", "stored"))
    for a, b in zip(bare, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    longer = RECALL.model_copy(update={"steps": 30})
    text = f"{HYBRID} weights=int4 cache=int8"
    went_on = run_trial(at(text), longer, 4, tmp_path / "longer", tmp_path / "stored")
    assert went_on.resumed_from_step > 0
    assert went_on.loss == run_trial(at(text), longer, 4).loss


def test_states_that_overflow_make_the_loss_nan() -> None:
    """Which a trial records as its failure, as it does any loss that is not finite."""
    state = trained(at("attention swiglu(2)"))
    model = state.parameters["model"]
    huge = model["ops_0"] | {"v": 1e6 * model["ops_0"]["v"], "out": 1e-6 * model["ops_0"]["out"]}
    state = TrainingState({"model": model | {"ops_0": huge}}, state.moments)
    for cache, whole in (("float16", False), ("bfloat16", True), ("int8", True)):
        judge = compile_decoding(at(f"attention swiglu(2) cache={cache}"), "next_token", BATCH, LENGTH)
        assert np.isfinite(judge.evaluate(state, batches(), VOCABULARY)[0]) == whole


@pytest.mark.slow
def test_fewer_bits_hurt_a_trained_model_more() -> None:
    """Mean over seeds: int4 costs more than int8, and a cache in float16 next to nothing."""
    config = TrialConfig(
        task="text",
        settings={"source": "python-stdlib"},
        length=32,
        batch=8,
        steps=250,
        learning_rate=1e-2,
        warmup_steps=20,
        evaluation_batches=4,
    )
    lost: dict[str, list[float]] = {"weights=int4": [], "weights=int8": [], "cache=float16": []}
    for seed in range(3):
        bare = run_trial(at(HYBRID), config, seed).loss
        for text, losses in lost.items():
            losses.append(run_trial(at(f"{HYBRID} {text}"), config, seed).loss - bare)
    four, eight, half = (np.mean(losses) for losses in lost.values())
    assert four > 3 * abs(eight)
    assert max(map(abs, lost["cache=float16"])) < 1e-3
    assert abs(half) < abs(four) / 10
