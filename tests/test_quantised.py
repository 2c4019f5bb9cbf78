"""Weights in fewer bits: exact in bytes, near in value, run by the measuring program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsearch.measuring import measure_once
from genomes import InvalidInput, Scale, accounting, parse_layout
from hardware_profiles import Workload
from hardware_profiles.work import weight_bytes
from hardware_profiles.workload import stored_bytes
from proxies.measuring import Runner
from proxies.quantised import BITS, Stored, restore, store

MODEL = parse_layout("attention(kv=1/2) moe(2)").at(Scale(width=64, head_dim=32, vocab_size=96))


@settings(deadline=None, max_examples=20)  # each shape is compiled
@given(
    st.sampled_from(sorted(BITS)),
    st.integers(1, 2),
    st.sampled_from([1, 5]),
    st.floats(0.05, 100),
    st.integers(0, 2**32 - 1),
)
def test_no_weight_is_farther_off_than_half_a_step(
    dtype: str, blocks: int, outputs: int, size: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = {"matrix": jnp.asarray(size * rng.normal(size=(2, 32 * blocks, outputs)), jnp.float32)}
    weights["embedding"] = weights["matrix"][0].T
    found = restore(store(weights, dtype), jnp.float32)
    steps = np.abs(weights["matrix"]).reshape(2, blocks, 32, outputs).max(2) / (2 ** (BITS[dtype] - 1) - 1)
    off = np.abs(found["matrix"] - weights["matrix"]).reshape(2, blocks, 32, outputs)
    # The scale is a float16, so that the outermost integers miss by some more.
    assert (off <= steps[:, :, None] * (0.5 + 2**-11 * 2 ** BITS[dtype])).all()
    np.testing.assert_array_equal(found["embedding"], found["matrix"][0].T)


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_what_is_stored_takes_the_bytes_that_are_priced(dtype: str) -> None:
    weights = {
        "matrix": jnp.ones((64, 48)),
        "norm": jnp.ones(64),
        "odd": jnp.ones((7, 5)),
        "empty": jnp.zeros((32, 2)),
    }
    stored = store(weights, dtype)
    assert sum(leaf.nbytes for leaf in stored["matrix"]) == stored_bytes(64 * 48, dtype)
    assert not isinstance(stored["norm"], Stored) and not isinstance(stored["odd"], Stored)
    assert (restore(stored, jnp.float32)["empty"] == 0).all()


@pytest.mark.parametrize("dtype", sorted(BITS))
def test_models_run_with_them(dtype: str) -> None:
    made, full = (Runner(MODEL, 32, 2, "float32", 16, weights) for weights in (dtype, None))
    made.load()
    full.load()
    bytes_, before = (sum(leaf.nbytes for leaf in jax.tree.leaves(r.weights)) for r in (made, full))
    assert before == 4 * accounting.parameters(MODEL)
    assert bytes_ == weight_bytes(MODEL, Workload(weights=dtype))
    near = {"int8": 0.05, "int4": 0.8}[dtype]
    for step in ("prefill", "decode"):
        found, expected = getattr(made, step)(), getattr(full, step)()
        assert float(jnp.abs(found - expected).max()) < near * float(jnp.abs(expected).max())


@pytest.mark.parametrize(
    ("wanted", "legal"),
    [({"weights": "float16"}, "float32, int8, int4"), ({"cache": "int8"}, "cache = 'int8'.*float32")],
)
def test_types_that_jax_does_not_run_are_refused(wanted: dict[str, str], legal: str) -> None:
    with pytest.raises(InvalidInput, match=legal):
        measure_once(MODEL, Workload(context=16, **wanted))
