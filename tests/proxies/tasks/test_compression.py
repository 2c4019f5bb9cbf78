"""Compression: uniform tokens."""

import numpy as np

from proxies.tasks import make_task


def test_compression_is_uniform() -> None:
    tokens = make_task("compression", 50, {"vocab_size": 5}).batch("train", 0, 0, 400).tokens
    shares = np.bincount(tokens.ravel(), minlength=5) / tokens.size
    assert np.allclose(shares, 0.2, atol=0.02)  # 7 standard deviations of 20,000 draws
