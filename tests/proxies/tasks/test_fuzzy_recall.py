"""Fuzzy recall: motifs of every length, keys that share beginnings, values that can be known."""

import pytest

from proxies.tasks import Split, make_task

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def entries(tokens: list[int], half: int) -> list[tuple[list[int], list[int]]]:
    """The complete (key, value) motifs of a row, cut where the values end and the keys begin."""
    found: list[tuple[list[int], list[int]]] = []
    for place, token in enumerate(tokens):
        if token < half and (place == 0 or tokens[place - 1] >= half):
            found.append(([], []))
        found[-1][token >= half].append(token)
    return found[:-1]


@pytest.mark.parametrize("split", SPLITS)
def test_fuzzy_motifs_of_every_length_in_every_split(split: Split) -> None:
    task = make_task("fuzzy-recall", 120, {"motif": 3, "pairs": 5})
    rows = [entries(row.tolist(), 8) for row in task.batch(split, 0, 0, 50).tokens]
    assert {len(key) for row in rows for key, _ in row} == {1, 2, 3}
    assert {len(value) for row in rows for _, value in row} == {1, 2, 3}
    shared = 0
    for row in rows:
        keys = {tuple(key) for key, _ in row}
        assert len(keys) <= 5
        for one in keys:
            for other in keys - {one}:
                assert one != other[: len(one)]
                shared += one[0] == other[0]
    assert shared > 0  # or the first token alone would tell the key
