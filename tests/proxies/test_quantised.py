"""Weights in fewer bits: exact in bytes, near in value, run by the measuring program."""

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import InvalidInput, Scale, accounting, parse_layout
from hardware_profiles import Workload
from hardware_profiles.measuring.measure import measure_once
from hardware_profiles.work import weight_bytes
from hardware_profiles.workload import stored_bytes
from proxies.quantised import BITS, Stored, restore, rounded, rounded_state, store
from proxies.runtime.session import JaxSession


def half_a_step(values: np.ndarray, bits: int, axis: int) -> np.ndarray:
    """How far values may be from what is stored of their block; the scale is a float16, which adds some.

    Of four bits the levels run from -8 to 7 times the scale, so what lies beyond 7 is up to a step off.
    """
    largest = np.abs(values).max(axis, keepdims=True)
    step = largest / (127 if bits == 8 else 8)
    beyond = (bits == 4) & (np.abs(values) > 7.5 * step)
    return step * (np.where(beyond, 1, 0.5) + 2**-11 * 2**bits)


MODEL = parse_layout("attention(kv=1/2) moe(2)").at(Scale(width=64, head_dim=32, vocab_size=96))


@settings(deadline=None, max_examples=10)  # each shape is compiled
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
    values = np.asarray(weights["matrix"]).reshape(2, blocks, 32, outputs)
    off = np.abs(found["matrix"] - weights["matrix"]).reshape(values.shape)
    assert (off <= half_a_step(values, BITS[dtype], axis=2)).all()
    np.testing.assert_array_equal(found["embedding"], found["matrix"][0].T)


@pytest.mark.parametrize("dtype", sorted(BITS))
@pytest.mark.parametrize("inputs", [32, 96, 40])
def test_rounding_is_that_of_gguf(dtype: str, inputs: int) -> None:
    kind = gguf.GGMLQuantizationType[{"int8": "Q8_0", "int4": "Q4_0"}[dtype]]
    weight = np.random.default_rng(inputs).normal(size=(inputs, 7)).astype(np.float32)
    padded = np.ascontiguousarray(np.pad(weight, ((0, -inputs % 32), (0, 0))).T)
    theirs = gguf.quants.dequantize(gguf.quants.quantize(padded, kind), kind).T[:inputs]
    found = rounded({"matrix": jnp.asarray(weight), "embedding": jnp.asarray(weight.T)}, dtype)
    np.testing.assert_array_equal(found["matrix"], theirs)
    np.testing.assert_array_equal(found["embedding"], theirs.T)


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(["float32", "float16", "bfloat16", *BITS]),
    st.sampled_from([1, 31, 32, 33, 70]),
    st.integers(0, 2**32 - 1),
)
def test_any_width_is_rounded_and_once_is_enough(dtype: str, inputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = jnp.asarray(rng.normal(size=(2, inputs, 3)), jnp.float32)
    weights = {
        "w": matrix,
        "embedding": matrix[0].T,
        "scale": matrix[0, 0],
        "k_conv": matrix,
        "a_log": matrix,
    }
    once = rounded(weights, dtype)
    assert {name: leaf.shape for name, leaf in once.items()} == {n: leaf.shape for n, leaf in weights.items()}
    again = rounded(once, dtype)
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])
    for name in ("scale", "k_conv", "a_log"):
        np.testing.assert_array_equal(once[name], weights[name])
    off = np.abs(np.asarray(once["w"] - matrix))
    if dtype in BITS:
        fill = [(0, 0), (0, -inputs % 32), (0, 0)]
        values, off = (np.pad(a, fill).reshape(2, -1, 32, 3) for a in (np.asarray(matrix), off))
        assert (off <= half_a_step(values, BITS[dtype], axis=2)).all()
    else:
        assert (off <= np.abs(matrix) * float(jnp.finfo(dtype).eps)).all()
        assert (dtype == "float32") == (not off.any())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_states_are_rounded_along_their_last_axis_and_positions_are_not(dtype: str) -> None:
    rng = np.random.default_rng(0)
    entry = jnp.asarray(
        rng.normal(size=(2, 5, 3, 40)) * 10.0 ** np.arange(5)[None, :, None, None], jnp.float32
    )
    state = ({"cache": entry, "count": jnp.arange(2), "level": entry[:, 0, 0, 0]}, {})
    found = rounded_state(state, dtype)
    np.testing.assert_array_equal(found[0]["count"], state[0]["count"])
    assert jax.tree.structure(found) == jax.tree.structure(state)
    step = 1 / 127 if dtype == "int8" else float(jnp.finfo(dtype).eps)
    bound = step * np.abs(entry).max(-1, keepdims=True)  # of a head, however large another is
    assert (np.abs(found[0]["cache"] - entry) <= bound).all()
    assert (np.abs(found[0]["level"] - state[0]["level"]) <= step * np.abs(state[0]["level"])).all()
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(rounded_state(found, dtype)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_no_type_holds_is_not_finite() -> None:
    huge = {"w": jnp.full((32, 1), 1e6)}
    assert not jnp.isfinite(rounded(huge, "float16")["w"]).any()
    assert jnp.isfinite(rounded(huge, "int8")["w"]).all()
    huge = {"w": jnp.full((32, 1), 1e9)}  # whose scale no float16 holds
    assert not jnp.isfinite(rounded(huge, "int8")["w"]).any()
    assert jnp.isfinite(rounded(huge, "bfloat16")["w"]).all()


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


@pytest.mark.slow
@pytest.mark.parametrize("dtype", sorted(BITS))
def test_models_run_with_them(dtype: str) -> None:
    types = (dtype, None)
    made, full = (
        JaxSession(MODEL, Workload(context=32, batch=2, prefill_chunk=16, weights=each)) for each in types
    )
    made.load()
    full.load()
    bytes_, before = (sum(leaf.nbytes for leaf in jax.tree.leaves(r.weights)) for r in (made, full))
    assert before == 4 * accounting.parameters(MODEL)
    assert bytes_ == weight_bytes(MODEL, Workload(weights=dtype))
    near = {"int8": 0.05, "int4": 0.8}[dtype]
    for step in ("prefill", "decode"):
        getattr(made, step)()
        getattr(full, step)()
        expected = full.logits()
        assert float(jnp.abs(made.logits() - expected).max()) < near * float(jnp.abs(expected).max())


@pytest.mark.parametrize(
    ("wanted", "legal"),
    [({"weights": "float16"}, "float32, int8, int4"), ({"cache": "int8"}, "cache = 'int8'.*float32")],
)
def test_types_that_jax_does_not_run_are_refused(wanted: dict[str, str], legal: str) -> None:
    with pytest.raises(InvalidInput, match=legal):
        measure_once(MODEL, Workload(context=16, **wanted))
