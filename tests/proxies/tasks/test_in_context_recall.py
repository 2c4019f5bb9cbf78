"""In-context recall: every row has a map of its own and asks something."""

from proxies.tasks import make_task


def test_recall_maps_differ_between_rows() -> None:
    batch = make_task("in-context-recall", 64, {}).batch("train", 0, 0, 30)
    first_values = {int(row[1 + row.tolist().index(0)]) for row in batch.tokens if 0 in row[:-1]}
    assert len(first_values) > 3


def test_recall_asks_even_where_no_key_would_repeat() -> None:
    batch = make_task("in-context-recall", 3, {"vocab_size": 512}).batch("train", 0, 0, 50)
    assert (batch.weights == [0, 0, 1]).all()
    assert (batch.tokens[:, 0] == batch.tokens[:, 2]).all()
