"""What decays, and how large a step each weight makes at which width."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import Architecture, Scale, parse_layout
from proxies.operators import module_class
from proxies.quantised import KEPT
from proxies.training.optimizer import adamw, decays
from proxies.training.program import initial_state
from support.operator_cases import CASES, WIDTH

LENGTH = 16
OPERATORS = [name for name in CASES if name != "skip"]


def weights_of(case: str) -> tuple[Architecture, dict[tuple[str, ...], jax.Array]]:
    architecture = Architecture(width=WIDTH, vocab_size=32, tied_embeddings=True, blocks=(CASES[case],))
    parameters = initial_state(architecture, "next_token", LENGTH, 0).parameters
    leaves = jax.tree_util.tree_leaves_with_path(parameters)
    return architecture, {tuple(key.key for key in path): leaf for path, leaf in leaves}


@pytest.mark.parametrize("case", OPERATORS)
def test_projections_decay_and_nothing_that_is_none(case: str) -> None:
    """Biases, eigenvalues and taps do not, whatever their number of axes; matrices of a projection do."""
    architecture, weights = weights_of(case)
    decaying = {names[-1] for names, weight in weights.items() if decays(architecture, names, weight.ndim)}
    assert not [name for name in decaying if name.endswith(KEPT) or name.startswith(("lambda", "filter"))]
    assert "embedding" in decaying
    square = {n[-1] for n, w in weights.items() if w.ndim > 1 and WIDTH in w.shape and min(w.shape) > 8}
    assert square - {n for n in square if n.endswith(KEPT) or n.startswith("filter") or n == "c"} <= decaying


@pytest.mark.parametrize("case", OPERATORS)
def test_what_operators_exempt_they_declare(case: str) -> None:
    spec = CASES[case]
    exempt = module_class(type(spec)).exempt
    legal = {name for other in CASES.values() if type(other) is type(spec) for name in other.weights(WIDTH)}
    assert exempt <= legal


def test_decay_is_the_only_move_where_there_is_no_gradient() -> None:
    architecture, weights = weights_of("s6-mamba")
    parameters = initial_state(architecture, "next_token", LENGTH, 0).parameters
    optimizer = adamw(architecture, 0.25)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    updates, _ = optimizer.update(zeros, optimizer.init(parameters), parameters)
    for path, update in jax.tree_util.tree_leaves_with_path(updates):
        names = tuple(key.key for key in path)
        factor = 0.25 if decays(architecture, names, weights[names].ndim) else 0
        np.testing.assert_allclose(update, factor * weights[names], rtol=1e-6)


def test_a_step_of_a_projection_is_half_as_large_at_twice_the_width() -> None:
    def steps(width: int) -> dict[str, float]:
        layout = parse_layout("attention short_conv(3) mamba2 swiglu(2)")
        architecture = layout.at(Scale(width=width, head_dim=16, vocab_size=64))
        parameters = initial_state(architecture, "next_token", LENGTH, 0).parameters
        optimizer = adamw(architecture, 0.0)
        ones = jax.tree.map(jnp.ones_like, parameters)
        updates, _ = optimizer.update(ones, optimizer.init(parameters), parameters)
        leaves = jax.tree_util.tree_leaves_with_path(updates)
        return {jax.tree_util.keystr(path): float(jnp.abs(leaf).max()) for path, leaf in leaves}

    narrow, wide = steps(64), steps(128)
    assert narrow.keys() == wide.keys()
    ratios = {name: wide[name] / narrow[name] for name in narrow}
    for name, ratio in ratios.items():
        vector = name.endswith(("norm']", "conv']", "bias']", "a_log']", "d']")) or "norm_" in name
        expected = 1 if vector else 0.5**0.5 if "embedding" in name else 0.5
        assert ratio == pytest.approx(expected, rel=1e-3), name
    assert narrow["['model']['embedding']"] == pytest.approx(1, rel=1e-3)
