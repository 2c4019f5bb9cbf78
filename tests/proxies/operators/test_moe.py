"""Mixtures of experts: routed as in a plain loop, with gradients to the experts that work."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import MoE
from proxies.kernels.experts import place
from proxies.operators.moe import MoE as Module
from proxies.operators.moe import load_balance

WIDTH = 12


SPECS = {
    "two of four": MoE(experts=4, top_k=2, hidden=8),
    "two of four, not normalised": MoE(experts=4, top_k=2, hidden=8, normalise=False),
    "one of three": MoE(experts=3, top_k=1, hidden=8, normalise=False),
    "all": MoE(experts=3, top_k=3, hidden=8),
    "shared": MoE(experts=4, top_k=2, hidden=8, shared_hidden=6),
    "shared, gated": MoE(experts=9, top_k=4, hidden=5, shared_hidden=6, shared_gated=True),
}


every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def build(spec: MoE, tokens: int = 21, batch: int = 3) -> tuple[Module, dict[str, Any], jax.Array]:
    module = Module(spec, WIDTH)
    x = jax.random.normal(jax.random.key(0), (batch, tokens, WIDTH))
    return module, module.init(jax.random.key(1), method="create"), x


def loop(spec: MoE, params: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Token by token, in float64: probabilities of all experts, the best of them, renormalised or not."""
    w = {name: np.asarray(value, float) for name, value in params.items()}

    def swiglu(row, gate, up, down):
        g = row @ gate
        return (g / (1 + np.exp(-g)) * (row @ up)) @ down

    def token(row):
        chances = np.exp(row @ w["router"])
        chances /= chances.sum()
        best = np.argsort(-chances, kind="stable")[: spec.top_k]
        total = chances[best].sum() if spec.normalise else 1.0
        y = sum(chances[e] / total * swiglu(row, w["gate"][e], w["up"][e], w["down"][e]) for e in best)
        if spec.shared_hidden is not None:
            gate = 1 / (1 + np.exp(-row @ w["shared_router"])) if spec.shared_gated else 1.0
            y = y + gate * swiglu(row, w["shared_gate"], w["shared_up"], w["shared_down"])
        return y

    return np.array([[token(row) for row in sequence] for sequence in np.asarray(x, float)])


# Routing


@every_spec
def test_routing_equals_a_loop_over_tokens(spec: MoE) -> None:
    module, variables, x = build(spec)
    expected = loop(spec, variables["params"], x)
    np.testing.assert_allclose(jax.jit(module.apply)(variables, x), expected, rtol=1e-4, atol=1e-5)
    extended, _ = jax.jit(lambda v, x: module.apply(v, x, {}, 0, method="extend"))(variables, x)
    np.testing.assert_allclose(extended, expected, rtol=1e-4, atol=1e-5)


def test_no_token_is_dropped_when_all_choose_the_same() -> None:
    spec = SPECS["two of four"]
    module, variables, x = build(spec, tokens=150, batch=2)
    params = variables["params"] | {"router": jnp.zeros((WIDTH, 4)).at[0].set(jnp.array([3.0, 1, 2, 0]))}
    x = x.at[..., 0].set(1 + jnp.abs(x[..., 0]))
    found = jax.jit(module.apply)({"params": params}, x)
    np.testing.assert_allclose(found, loop(spec, params, x), rtol=1e-4, atol=1e-5)


def test_of_equals_the_first_experts_are_chosen() -> None:
    spec = SPECS["two of four"]
    module, variables, x = build(spec)
    params = variables["params"] | {"router": jnp.zeros((WIDTH, 4))}
    first = params | {"router": jnp.zeros((WIDTH, 2))} | {n: params[n][:2] for n in ("gate", "up", "down")}
    expected = loop(spec.model_copy(update={"experts": 2}), first, x)
    found = jax.jit(module.apply)({"params": params}, x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rows", "experts", "size"), [(1, 5, 1), (40, 3, 1), (41, 5, 4), (60, 7, 16)])
@pytest.mark.parametrize("choices", [1, 2])
def test_every_choice_gets_a_row_of_its_experts_blocks(
    rows: int, experts: int, size: int, choices: int
) -> None:
    rng, fill = np.random.default_rng(0), jax.jit(lambda chosen: place(chosen, experts, size))
    for used in (*range(choices, experts + 1), *[experts] * 20):  # the bound is tight where rests are 1
        names = rng.permutation(experts)
        chosen = np.array([names[rng.permutation(used)[:choices]] for _ in range(rows)])
        placed = fill(chosen)
        slot = np.asarray(placed.slot)
        assert len(set(slot.ravel().tolist())) == chosen.size
        np.testing.assert_array_equal(np.asarray(placed.expert)[slot // size], chosen)
        source = np.asarray(placed.source).ravel()
        np.testing.assert_array_equal(source[slot], np.arange(rows)[:, None].repeat(choices, 1))


@pytest.mark.parametrize(
    "name",
    [
        "two of four, not normalised",
        "all",
        "shared, gated",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("two of four", "one of three", "shared")),
    ],
)
def test_the_gradient_is_that_of_all_experts_on_all_tokens(name: str) -> None:
    module, variables, x = build(SPECS[name], tokens=70)

    def gradient(method: str) -> Any:
        return jax.jit(jax.grad(lambda v, x: jnp.sin(module.apply(v, x, method=method)).sum(), (0, 1)))(
            variables, x
        )

    found, expected = gradient("__call__"), gradient("reference")
    jax.tree.map(lambda f, e: np.testing.assert_allclose(f, e, rtol=1e-3, atol=1e-4), found, expected)


def test_a_decoded_token_reads_no_other_experts() -> None:
    """Weights that are not numbers would spoil whatever touches them."""
    spec = SPECS["shared, gated"]
    module, variables, x = build(spec, tokens=1, batch=1)
    params = variables["params"]
    chosen = np.argsort(-np.asarray(x[0, 0] @ params["router"]))[: spec.top_k]
    others = np.setdiff1d(np.arange(spec.experts), chosen)
    spoiled = params | {name: params[name].at[others].set(jnp.nan) for name in ("gate", "up", "down")}
    found, _ = jax.jit(lambda v, x: module.apply(v, x, {}, 0, method="extend"))({"params": spoiled}, x)
    np.testing.assert_allclose(found, loop(spec, params, x), rtol=1e-4, atol=1e-5)


@every_spec
def test_gradients_reach_the_router_and_the_chosen_experts_alone(spec: MoE) -> None:
    module, variables, x = build(spec, tokens=1, batch=1)
    params = variables["params"]
    found = jax.jit(jax.grad(lambda p: jnp.square(module.apply({"params": p}, x)).sum()))(params)
    chosen = np.argsort(-np.asarray(x[0, 0] @ params["router"]))[: spec.top_k]
    for name in ("gate", "up", "down"):
        reached = np.abs(found[name]).max((1, 2)) > 0
        assert set(np.flatnonzero(reached)) == set(chosen.tolist())
    learns = np.abs(found["router"]).max(0) > 0
    assert learns.all() if not spec.normalise else set(np.flatnonzero(learns)) == set(chosen.tolist())
    assert all(np.abs(found[name]).max() > 0 for name in found)


# Balance


def test_the_loss_is_one_when_balanced_and_the_number_of_experts_when_collapsed() -> None:
    tokens = np.arange(24)
    balanced = 50.0 * np.eye(4)[tokens % 4]
    chosen = (tokens % 4)[:, None]
    assert load_balance(jnp.array(balanced), jnp.array(chosen)) == pytest.approx(1)
    assert load_balance(jnp.zeros((24, 4)), jnp.array(chosen)) == pytest.approx(1)
    collapsed = 50.0 * np.eye(4)[np.zeros(24, int)]
    assert load_balance(jnp.array(collapsed), jnp.zeros((24, 1), int)) == pytest.approx(4)
    pair = np.tile([0, 1], (24, 1))
    assert load_balance(jnp.array(50.0 * np.array([[1, 1, 0, 0]] * 24)), jnp.array(pair)) == pytest.approx(2)


@every_spec
def test_the_loss_is_that_of_the_papers_equations(spec: MoE) -> None:
    """`E sum_e f_e P_e`: `f_e` the share of choices, `P_e` the mean probability (equations 4 to 6)."""
    module, variables, x = build(spec)
    assert set(jax.eval_shape(module.init, jax.random.key(1), x)) == {"params"}
    _, sown = jax.jit(lambda v, x: module.apply(v, x, mutable=["losses"]))(variables, x)
    logits = np.asarray(x, float).reshape(-1, WIDTH) @ np.asarray(variables["params"]["router"], float)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counts = np.bincount(np.argsort(-logits)[:, : spec.top_k].ravel(), minlength=spec.experts)
    expected = spec.experts * (counts / counts.sum() * chances.mean(0)).sum()
    assert sown["losses"]["load_balance"][0] == pytest.approx(expected, rel=1e-5)
