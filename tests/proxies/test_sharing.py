"""Blocks that share weights, keys, values or caches: the account is exact, decoding equals training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genomes import Architecture, InvalidInput, Operator, Share, SwiGLU, accounting, read_architecture
from proxies.model import Model
from support.operator_cases import CASES, FIRST

WIDTH, TOKENS = 24, 19
FAST = ("attention", "mla-nope", "s6-mamba")
"""Cases of the fast tests: one for each way in which features are kept."""
FEATURES = [
    pytest.param(name, what, id=f"{name}-{what}", marks=() if name in FAST else pytest.mark.slow)
    for name, spec in CASES.items()
    for what in spec.feature_groups()
]
MIXED = [
    pytest.param(name, marks=() if name in FIRST else pytest.mark.slow)
    for name, spec in CASES.items()
    if spec.kind != "skip"
]


def sharing(spec: Operator, *shares: Share) -> Operator:
    return spec.model_copy(update={"shares": shares})


def stack(spec: Operator, *shares: Share) -> Architecture:
    """The operator, a feed-forward block, and the operator again, sharing with the first."""
    blocks = (spec, SwiGLU(hidden=16), sharing(spec, *shares))
    return Architecture(width=WIDTH, vocab_size=11, blocks=blocks)


def build(architecture: Architecture):
    module = Model(architecture)
    keys = jax.random.split(jax.random.key(3), 3)
    tokens = jax.random.randint(keys[0], (2, TOKENS), 0, architecture.vocab_size)
    variables = module.init(keys[1], method="create")
    leaves, tree = jax.tree.flatten(variables)
    noise = jax.random.split(keys[2], len(leaves))
    leaves = [v + 0.3 * jax.random.normal(k, v.shape) for v, k in zip(leaves, noise, strict=True)]
    return module, jax.tree.unflatten(tree, leaves), tokens


def decodes_as_it_trains(architecture: Architecture) -> None:
    module, variables, tokens = build(architecture)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == accounting.parameters(architecture)
    state = module.initial_state(2, TOKENS)
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert held == accounting.state_bytes(architecture, TOKENS, batch=2)
    whole = jax.jit(module.apply)(variables, tokens)
    extend = jax.jit(lambda x, state, position: module.apply(variables, x, state, position, method="extend"))
    after, position, outputs = state, 0, []
    for piece in (8, 1, 1, 1, 8):  # few lengths: each is compiled
        y, after = extend(tokens[:, position : position + piece], after, position)
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
        outputs.append(y)
        position += piece
    np.testing.assert_allclose(jnp.concatenate(outputs, axis=1), whole, rtol=3e-4, atol=3e-5)


@pytest.mark.parametrize(("name", "what"), FEATURES)
def test_shared_features(name: str, what) -> None:
    architecture = stack(CASES[name], Share(what=what, donor=0))
    alone = stack(CASES[name])
    assert accounting.parameters(architecture) < accounting.parameters(alone)
    assert accounting.state_elements(architecture, 8) <= accounting.state_elements(alone, 8)
    assert accounting.decode_flops_per_token(architecture, 8) < accounting.decode_flops_per_token(alone, 8)
    decodes_as_it_trains(architecture)


@pytest.mark.parametrize("name", MIXED)
def test_shared_weights_are_the_same_weights(name: str) -> None:
    """The model equals one where both blocks hold copies of the weights."""
    spec = CASES[name]
    shared, alone = stack(spec, Share(what="weights", donor=0)), stack(spec)
    saved = spec.parameters(WIDTH)
    assert accounting.parameters(alone) - accounting.parameters(shared) == saved
    assert accounting.state_elements(alone, 8) == accounting.state_elements(shared, 8)
    module, variables, tokens = build(shared)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == accounting.parameters(shared)
    params = dict(variables["params"])
    copied = params | ({"ops_2": params["ops_0"]} if "ops_0" in params else {})
    found = jax.jit(module.apply)(variables, tokens)
    np.testing.assert_allclose(found, jax.jit(Model(alone).apply)({"params": copied}, tokens), rtol=1e-5)


def test_weights_and_cache_together() -> None:
    spec = CASES["attention-gqa"]
    decodes_as_it_trains(stack(spec, Share(what="weights", donor=0), Share(what="cache", donor=0)))


def test_keys_of_one_block_and_values_of_another() -> None:
    spec = CASES["attention-conv"]
    both = sharing(spec, Share(what="keys", donor=0), Share(what="values", donor=1))
    decodes_as_it_trains(Architecture(width=WIDTH, vocab_size=11, blocks=(spec, spec, both)))


def test_an_architecture_that_shares_is_read_back_and_told_apart() -> None:
    shared, alone = stack(CASES["attention"], Share(what="cache", donor=0)), stack(CASES["attention"])
    assert read_architecture(shared.to_dict()) == shared
    assert shared.to_dict()["blocks"][2]["shares"] == [{"what": "cache", "with": 0}]
    assert shared.fingerprint != alone.fingerprint


def test_skips_do_not_change_the_fingerprint_of_what_shares() -> None:
    spec, skip = CASES["attention"], CASES["skip"]
    plain = stack(spec, Share(what="cache", donor=0))
    moved = (skip, spec, skip, SwiGLU(hidden=16), sharing(spec, Share(what="cache", donor=1)))
    padded = Architecture(width=WIDTH, vocab_size=11, blocks=moved)
    assert padded.fingerprint == plain.fingerprint


REFUSED = {
    "later": ((Share(what="cache", donor=2),), 2, "cache of block 2, not an earlier block; legal: 0 to 1"),
    "unlike": ((Share(what="weights", donor=1),), 2, "weights of block 1 (swiglu), an unlike block"),
    "memoryless": ((Share(what="keys", donor=0),), 1, "has no keys to share; it can share: weights"),
}


@pytest.mark.parametrize(("shares", "index", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(shares, index: int, words: str) -> None:
    data = stack(CASES["attention"]).to_dict()
    data["blocks"][index]["shares"] = [share.model_dump(by_alias=True) for share in shares]
    with pytest.raises(InvalidInput) as caught:
        read_architecture(data)
    assert f"blocks[{index}]" in str(caught.value) and words in str(caught.value)
