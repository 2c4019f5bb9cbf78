"""jax's session against the plain forward pass, its weights, and what does not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

from genomes import Architecture, accounting, model, read_architecture
from hardware_profiles import Workload
from proxies.model import Model
from proxies.runtime.session import JaxSession, cheap_weights

ATTENTION = {"op": "attention", "heads": 4, "kv_heads": 2, "qk_norm": True}
SWIGLU = {"op": "swiglu", "hidden": 128}
MIXED = [
    ATTENTION,
    SWIGLU,
    {"op": "short_conv", "kernel": 3},
    {"op": "attention", "heads": 4, "kv_heads": 1, "window": 16},
    {"op": "mamba2", "heads": 4, "head_dim": 16, "state_dim": 8},
    {"op": "gated_linear_attention", "heads": 2, "key_dim": 16, "value_dim": 32},
    {"op": "rg_lru", "lru_width": 64, "heads": 4},
    {"op": "skip"},
]


def architecture(*blocks: dict[str, object]) -> Architecture:
    file = {"format": "archsearch/architecture", "version": 1, "width": 64, "vocab_size": 256}
    return read_architecture({**file, "blocks": list(blocks)})


def session(blocks: Architecture, context: int, dtype: str = "float32") -> JaxSession:
    made = JaxSession(blocks, Workload(context=context, batch=2, dtype=dtype, prefill_chunk=8))
    made.load()
    return made


def forward(made: JaxSession, blocks: Architecture) -> np.ndarray:
    """Logits of the prompt's last token by the forward pass of training."""
    apply = jax.jit(
        lambda weights, tokens: Model(blocks).apply({"params": weights}, tokens, method="forward")
    )
    return np.asarray(apply(made.weights, made.tokens)[:, -1])


@pytest.mark.parametrize("context", [1, 8, 21])
def test_decoding_stands_at_the_depth_asked(context: int) -> None:
    """With attention alone the last token may be read again and again, and gives what the prompt gave."""
    blocks = architecture(ATTENTION, SWIGLU, ATTENTION)
    made = session(blocks, context)
    made.prefill()
    np.testing.assert_allclose(made.logits(), forward(made, blocks), rtol=1e-4, atol=1e-5)
    for _ in range(3):
        made.decode()
        np.testing.assert_allclose(made.logits(), forward(made, blocks), rtol=1e-4, atol=1e-5)
    assert made.state[0]["k"].shape[1] == context
    assert bool((made.state[0]["k"] != 0).any(axis=(0, 2, 3)).all())  # the state is full


def test_decoding_at_another_depth_sees_that_many_tokens() -> None:
    """An empty cache gives every value the same weight: the mean of zeros and the token's own."""
    blocks = architecture(ATTENTION)
    made = session(blocks, 6)
    made.at_depth(1)()
    first = made.logits()
    made.at_depth(3)()
    deeper = made.logits()
    assert first.shape == deeper.shape == (2, 256)
    alone = Model(blocks).apply({"params": made.weights}, made.tokens[:, -1:], method="forward")
    np.testing.assert_allclose(first, alone[:, 0], rtol=1e-4, atol=1e-5)
    assert float(np.abs(first - deeper).max()) > 0


def test_prefill_in_chunks_is_the_forward_pass() -> None:
    blocks = architecture(*MIXED)
    made = session(blocks, 37)
    made.prefill()
    np.testing.assert_allclose(made.logits(), forward(made, blocks), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_dtype_runs_every_operator(dtype: str) -> None:
    made = session(architecture(*MIXED), 20, dtype)
    for read in (made.prefill, made.decode, made.prefill, made.decode):
        read()
        assert made.logits().dtype == jnp.dtype(dtype) and made.logits().shape == (2, 256)
        assert bool(jnp.isfinite(made.logits()).all())
    assert {leaf.dtype for leaf in jax.tree.leaves((made.weights, made.state))} == {jnp.dtype(dtype)}
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(made.state))
    itemsize = jnp.dtype(dtype).itemsize
    assert state == accounting.state_bytes(architecture(*MIXED), 20, itemsize, batch=2)


@pytest.mark.slow
def test_a_copy_shares_the_programs_and_nothing_that_is_written() -> None:
    made = session(architecture(*MIXED), 12)
    made.prefill()
    made.decode()
    expected, copy = made.logits(), None
    made.clear()
    made.prefill()
    copy = made.copy()
    made.clear()
    copy.decode()
    np.testing.assert_array_equal(copy.logits(), expected)
    assert copy._step is made._step
    mine, its = (jax.tree.leaves(one.weights)[0].unsafe_buffer_pointer() for one in (made, copy))
    assert mine != its


def test_a_model_that_does_not_fit_is_refused_before_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = type("Memory", (), {"available": 1e6})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    weights = 4 * accounting.parameters(model("lfm2-350m"))
    state = accounting.state_bytes(model("lfm2-350m"), 9)
    with pytest.raises(RuntimeError, match=rf"needs {weights + state} bytes \(1.32 GiB\), 1000000 "):
        JaxSession(model("lfm2-350m"), Workload(context=9))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_cheap_weights_are_normal_numbers_that_differ(dtype: str) -> None:
    shapes = {
        "matrix": jax.ShapeDtypeStruct((4608, 64), dtype),
        "heads": jax.ShapeDtypeStruct((4, 16, 16), dtype),
        "vector": jax.ShapeDtypeStruct((64,), dtype),
    }
    weights = cheap_weights(shapes)
    smallest = float(jnp.finfo(dtype).smallest_normal)
    for name, leaf in weights.items():
        assert leaf.shape == shapes[name].shape and leaf.dtype == dtype
        size = np.abs(np.asarray(leaf, np.float32))
        assert size.min() >= smallest and np.isfinite(size).all()
    matrix = np.asarray(weights["matrix"], np.float32)
    assert matrix.std() == pytest.approx(4608**-0.5, rel=0.02)
    assert abs(matrix.mean()) < 0.02 * matrix.std()
    assert np.abs(np.corrcoef(matrix[:, :8].T) - np.eye(8)).max() < 0.1
