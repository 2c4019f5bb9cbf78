"""Labels beside points."""

from itertools import combinations

from archsearch.reporting.charts.drawing import Mark, TextLine, text_width
from archsearch.reporting.charts.labels import Wanted, place


def left(text):
    width = text_width(text.text, text.size, text.mono)
    return text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]


def test_labels_do_not_overlap():
    marks = [Mark(100 + 9 * (i % 5), 100 + 9 * (i // 5), 4, "front", id=str(i)) for i in range(15)]
    wanted = [Wanted(mark, "abcdef01", mono=True) for mark in marks]
    texts = [item for item in place(wanted, (0, 0, 300, 300), [], []) if isinstance(item, TextLine)]
    assert 4 <= len(texts) <= 15
    for a, b in combinations(texts, 2):
        assert abs(a.y - b.y) >= 9 or abs(left(a) - left(b)) >= text_width(a.text, a.size, mono=True)
