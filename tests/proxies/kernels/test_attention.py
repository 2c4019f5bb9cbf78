"""Attention over a cache in pieces: the definition, wherever the pieces lie."""

import jax.numpy as jnp
import numpy as np
import pytest

from proxies.kernels import attention
from proxies.kernels.attention import cached_attention, naive_attention, visible


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize(("tokens", "before", "slots"), [(2, 0, 2), (17, 50, 80), (40, 7, 47)])
def test_a_prompt_over_a_cache_in_pieces_is_the_definition(
    tokens: int, before: int, slots: int, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "PIECE_ROWS", 24)
    monkeypatch.setattr(attention, "PIECE_SLOTS", 16)
    rng = np.random.default_rng(0)
    length = before + tokens
    q, k = (jnp.asarray(3 * rng.normal(size=(2, length, h, 8)), jnp.float32) for h in (6, 2))
    v = jnp.asarray(rng.normal(size=(2, length, 2, 5)), jnp.float32)
    expected = naive_attention(q, k, v, window)[:, before:]
    room = ((0, 0), (0, slots - length), (0, 0), (0, 0))
    keys, values = (jnp.pad(z, room, constant_values=99.0) for z in (k, v))
    seen = visible(before + jnp.arange(tokens), jnp.arange(slots), window)
    found = cached_attention(q[:, before:], keys, values, seen)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
