"""One conformance suite over all operators, and the proof that no operator is left out of it."""

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from operator_cases import CASES, WIDTH

from genomes import Operator, operator_table
from proxies.operators import OperatorModule, module_class

TOKENS = 37  # no chunk divides it
every_operator = pytest.mark.parametrize("spec", CASES.values(), ids=CASES.keys())


def build(spec: Operator, tokens: int = TOKENS, batch: int = 2, spread: float = 0.3):
    """The module, randomised parameters (no zeros or ones left to hide behind) and an input."""
    module: OperatorModule = module_class(type(spec))(spec, WIDTH)
    keys = jax.random.split(jax.random.key(7), 3)
    x = jax.random.normal(keys[0], (batch, tokens, WIDTH))
    variables = module.init(keys[1], x)
    leaves, tree = jax.tree.flatten(variables)
    noise = jax.random.split(keys[2], max(len(leaves), 1))
    leaves = [v + spread * jax.random.normal(k, v.shape) for v, k in zip(leaves, noise, strict=False)]
    return module, jax.tree.unflatten(tree, leaves), x


def close(a, b, rtol=2e-4, atol=2e-5):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=rtol, atol=atol), a, b)


def test_every_operator_has_a_case() -> None:
    assert {type(spec) for spec in CASES.values()} == set(operator_table().values())


@every_operator
def test_weights_are_those_declared(spec: Operator) -> None:
    _, variables, _ = build(spec)
    found = {name: value.shape for name, value in variables.get("params", {}).items()}
    assert found == spec.weights(WIDTH)
    assert spec.parameters(WIDTH) == sum(prod(shape) for shape in found.values())


@every_operator
def test_causal_by_gradient(spec: Operator) -> None:
    """No output depends on a later input, and mixers do depend on an earlier one."""
    module, variables, x = build(spec, tokens=12, batch=1)
    jacobian = jax.jit(jax.jacrev(lambda x: module.apply(variables, x).sum((0, 2))))(x)[:, 0]
    influence = np.abs(jacobian).sum(-1)
    assert np.all(influence[np.triu_indices(12, 1)] == 0)
    if spec.kind not in ("memoryless", "skip"):
        assert np.all(np.diag(influence, -1) > 0)


@every_operator
def test_equals_reference_with_gradients(spec: Operator) -> None:
    module, variables, x = build(spec)
    direction = jax.random.normal(jax.random.key(1), x.shape)

    def loss(variables, x, method):
        y = module.apply(variables, x, method=method)
        return (y * direction).mean(), y

    fast, naive = (
        jax.jit(jax.value_and_grad(lambda v, x, m=m: loss(v, x, m), (0, 1), has_aux=True))(variables, x)
        for m in ("__call__", "reference")
    )
    close(fast, naive)


@every_operator
@pytest.mark.parametrize("pieces", [[1] * TOKENS, [20, 1, 16]], ids=str)
def test_step_by_step_equals_parallel(spec: Operator, pieces: list[int]) -> None:
    module, variables, x = build(spec)
    state, position, outputs = module.initial_state(2, TOKENS), 0, []
    extend = jax.jit(lambda x, state, position: module.apply(variables, x, state, position, method="extend"))
    for piece in pieces:
        y, after = extend(x[:, position : position + piece], state, position)
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
        state, position = after, position + piece
        outputs.append(y)
    close(jnp.concatenate(outputs, axis=1), module.apply(variables, x))


@every_operator
@pytest.mark.parametrize("context", [1, 4, 64])
def test_state_is_what_accounting_says(spec: Operator, context: int) -> None:
    module, _, _ = build(spec)
    state = module.initial_state(1, context)
    assert sum(leaf.size for leaf in state.values()) == spec.state_elements(WIDTH, context)


@every_operator
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [1, 130, pytest.param(2048, marks=pytest.mark.slow)])
def test_finite_at_any_length(spec: Operator, dtype, tokens: int) -> None:
    module, variables, x = build(spec, tokens=tokens, batch=1, spread=1.0)
    variables, x = jax.tree.map(lambda v: v.astype(dtype), (variables, 4 * x))
    value, gradient = jax.jit(jax.value_and_grad(lambda v: jnp.square(module.apply(v, x)).mean()))(variables)
    assert value.dtype == dtype
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((value, gradient)))


@every_operator
def test_prefill_flops_are_the_sum_of_decoding(spec: Operator) -> None:
    for tokens in (1, 3, 40):
        decoded = sum(spec.decode_flops(WIDTH, context) for context in range(1, tokens + 1))
        assert spec.prefill_flops(WIDTH, tokens) == decoded
