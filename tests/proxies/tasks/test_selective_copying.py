"""Selective copying: content at any place, and all of it copied."""

import numpy as np

from proxies.tasks import make_task


def test_copying_scatters_its_content() -> None:
    task = make_task("selective-copying", 40, {"vocab_size": 10, "copy": 6})
    batch = task.batch("train", 0, 0, 400)
    content = batch.tokens[:, :34] < 8
    assert (content.sum(axis=1) == 6).all()
    assert content.any(axis=0).all()  # no place is always blank
    assert (batch.tokens[:, 34] == 9).all()
    assert set(np.unique(batch.targets[:, 34:])) == set(range(8))
