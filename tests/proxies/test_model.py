"""The whole model: parameters as accounted, causal, and the same in pieces as at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import Architecture, Operator, Skip, SwiGLU, accounting, model, model_names, reference
from genomes.scale import Scale
from proxies.model import Model
from support.operator_cases import CASES, WIDTH

VOCABULARY = 32
TOKENS = 23
PUBLISHED = {
    "lfm2-350m": 354_483_968,
    "lfm2-1.2b": 1_170_340_608,
    "llama-3.2-1b": 1_235_814_400,
    "qwen3-1.7b": 1_720_574_976,
}
"""Parameters of the released checkpoints."""


def stack(*blocks: Operator, tied: bool = True) -> Architecture:
    return Architecture(width=WIDTH, vocab_size=VOCABULARY, tied_embeddings=tied, blocks=blocks)


EVERYTHING = stack(*{type(spec): spec for spec in reversed(CASES.values())}.values())


def build(architecture: Architecture, batch: int = 2):
    """The model, weights moved off their initial zeros and ones, and tokens."""
    made = Model(architecture)
    rng = np.random.default_rng(3)
    params = made.init(jax.random.key(1), method="create")["params"]
    params = jax.tree.map(lambda p: p + 0.1 * rng.standard_normal(p.shape).astype(p.dtype), params)
    return made, {"params": params}, jnp.asarray(rng.integers(0, architecture.vocab_size, (batch, TOKENS)))


def count(architecture: Architecture) -> int:
    """Parameters of the Flax module, without allocating any."""
    made = Model(architecture)
    shapes = jax.eval_shape(lambda: made.init(jax.random.key(0), method="create"))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


# Parameters


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_those_accounted_with_each_operator(name: str) -> None:
    """Half of them with a head of its own."""
    tied = list(CASES).index(name) % 2 == 0
    architecture = stack(CASES[name], SwiGLU(hidden=40), CASES[name], tied=tied)
    assert count(architecture) == accounting.parameters(architecture)
    made = Model(architecture).init(jax.random.key(0), method="create")["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(made)) == accounting.parameters(architecture)
    assert ("head" in made) is not tied


@settings(max_examples=30, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(CASES)), max_size=7), tied=st.booleans())
def test_parameters_are_those_accounted_of_any_mix(names: list[str], tied: bool) -> None:
    architecture = stack(SwiGLU(hidden=16), *(CASES[name] for name in names), tied=tied)
    assert count(architecture) == accounting.parameters(architecture)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_models_count_what_was_released(name: str) -> None:
    assert count(model(name)) == accounting.parameters(model(name)) == PUBLISHED[name]


def test_every_published_model_is_counted() -> None:
    assert set(PUBLISHED) == set(model_names())


@pytest.mark.parametrize(
    "name", ["transformer++", "llama", "qwen3", "lfm2", "mamba2-hybrid", "griffin", "gla"]
)
def test_scaled_down_families_count_what_is_accounted(name: str) -> None:
    scale = Scale(width=64, head_dim=16, blocks=8, vocab_size=96, context=64)
    architecture = reference(name).layout(8).at(scale)
    assert count(architecture) == accounting.parameters(architecture)


def test_a_key_gives_its_weights() -> None:
    def weights(seed: int):
        return Model(EVERYTHING).init(jax.random.key(seed), method="create")

    jax.tree.map(np.testing.assert_array_equal, weights(5), weights(5))
    assert not np.array_equal(weights(5)["params"]["embedding"], weights(6)["params"]["embedding"])
    created = weights(5)
    called = jax.eval_shape(lambda: Model(EVERYTHING).init(jax.random.key(5), jnp.zeros((1, 4), jnp.int32)))
    assert jax.tree.map(jnp.shape, created) == jax.tree.map(jnp.shape, called)


# What it computes


@pytest.fixture(scope="module")
def everything():
    """All operators in one model: `extend` compiled (a program a piece length), and all logits at once."""
    made, variables, tokens = build(EVERYTHING)

    @jax.jit
    def extend(tokens, state, position):
        hidden, state = made.apply(variables, tokens, state, position, method="extend")
        return made.apply(variables, hidden, method="logits"), state

    return made, tokens, extend, jax.jit(lambda t: made.apply(variables, t, method="forward"))


def test_no_logit_depends_on_a_later_token(everything) -> None:
    _, tokens, _, forward = everything
    plain = forward(tokens)
    assert plain.shape == (2, TOKENS, VOCABULARY)
    for place in (0, 7, TOKENS - 1):
        other = forward(tokens.at[0, place].add(1) % VOCABULARY)
        np.testing.assert_array_equal(plain[0, :place], other[0, :place])
        np.testing.assert_array_equal(plain[1], other[1])
        assert np.all(np.abs(plain[0, place:] - other[0, place:]).max(axis=1) > 0)


@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_random_pieces_are_the_forward_pass(everything, data: st.DataObject) -> None:
    made, tokens, extend, forward = everything
    state, position, logits, pieces = made.initial_state(2, TOKENS), 0, [], []
    while position < TOKENS:
        # Few lengths, so that few programs are compiled.
        fitting = [size for size in (1, 11) if size <= TOKENS - position]
        pieces.append(data.draw(st.sampled_from(fitting), label="piece"))
        out, state = extend(tokens[:, position : position + pieces[-1]], state, position)
        logits.append(out)
        position += pieces[-1]
    np.testing.assert_allclose(jnp.concatenate(logits, axis=1), forward(tokens), rtol=1e-3, atol=1e-4)


def test_a_wrong_position_is_noticed(everything) -> None:
    """The test above can fail: the same pieces one position off give other logits."""
    made, tokens, extend, forward = everything
    _, state = extend(tokens[:, :11], made.initial_state(2, TOKENS), 0)
    logits, _ = extend(tokens[:, 11:22], state, 12)
    assert np.abs(logits - forward(tokens)[:, 11:22]).max() > 1e-2


@pytest.mark.parametrize(("context", "batch"), [(1, 1), (9, 3), (300, 2)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16], ids=["float32", "bfloat16"])
def test_state_is_as_large_as_accounted(context: int, batch: int, dtype) -> None:
    state = Model(EVERYTHING).initial_state(batch, context, dtype)
    found = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert found == accounting.state_bytes(EVERYTHING, context, jnp.dtype(dtype).itemsize, batch)
    assert all(not leaf.any() for leaf in jax.tree.leaves(state))


def test_skips_change_nothing() -> None:
    blocks = (CASES["attention-gqa"], CASES["short_conv-3"], CASES["swiglu"])
    plain, with_skips = stack(*blocks), stack(Skip(), blocks[0], Skip(), *blocks[1:], Skip())
    made, variables, tokens = build(plain)
    # Residual branches start smaller in deeper models, so the weights are moved over, not drawn again.
    places = {0: 1, 1: 3, 2: 4}
    params = {
        key: value for key, value in variables["params"].items() if not key.endswith(("_0", "_1", "_2"))
    }
    for name in ("norm", "ops"):
        params |= {f"{name}_{places[i]}": variables["params"][f"{name}_{i}"] for i in places}
    skipping = Model(with_skips)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(
        jnp.shape, skipping.init(jax.random.key(0), method="create")["params"]
    )
    expected = made.apply(variables, tokens, method="forward")
    found = skipping.apply({"params": params}, tokens, method="forward")
    np.testing.assert_array_equal(found, expected)
    assert plain.fingerprint == with_skips.fingerprint
    state = skipping.initial_state(1, 4)
    assert [bool(s) for s in state] == [False, True, False, True, False, False]


def test_an_own_head_makes_the_logits() -> None:
    made, variables, tokens = build(stack(CASES["swiglu"], tied=False))
    hidden = made.apply(variables, tokens)
    head = variables["params"]["head"]
    found = made.apply(variables, tokens, method="forward")
    np.testing.assert_allclose(found, np.einsum("btd,wd->btw", hidden, head), rtol=1e-4, atol=1e-5)
    tied, tied_variables, _ = build(stack(CASES["swiglu"]))
    embedding = tied_variables["params"]["embedding"]
    hidden = tied.apply(tied_variables, tokens)
    found = tied.apply(tied_variables, tokens, method="forward")
    np.testing.assert_allclose(found, np.einsum("btd,wd->btw", hidden, embedding), rtol=1e-4, atol=1e-5)


def test_deeper_models_start_with_smaller_branches() -> None:
    """Output projections are scaled by `blocks ** -0.5`, so that the residual stream keeps its size."""

    def size(blocks: int) -> float:
        params = Model(stack(*[CASES["swiglu"]] * blocks)).init(jax.random.key(0), method="create")["params"]
        return float(jnp.std(params["ops_0"]["down"]))

    assert size(1) / size(16) == pytest.approx(4, rel=1e-5)


# The start


@pytest.mark.parametrize("case", CASES)
def test_token_and_block_start_on_one_scale(case: str) -> None:
    """No block drowns the token, however many come first: all together start no larger than it."""
    if isinstance(CASES[case], Skip):
        return
    architecture = Architecture(width=64, vocab_size=VOCABULARY, blocks=(CASES[case],) * 4)
    made = Model(architecture)
    variables = made.init(jax.random.key(0), method="create")
    token = variables["params"]["embedding"]
    assert float(token.std()) == pytest.approx(64**-0.5, rel=0.1)
    x = jax.random.normal(jax.random.key(1), (2, TOKENS, 64))
    blocks = jax.jit(lambda v, x: made.apply(v, x, method=lambda m, x: m._op(0)(x)))(variables, x)
    size = float(jnp.sqrt((blocks**2).mean())) * 4**0.5
    assert 0.05 < size / 64**-0.5 < 1.6
