"""Colours that text can be read on."""

import pytest

from archsearch.reporting.charts.palette import COLOURS, KINDS


def contrast(a, b):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("paper", ["light", "dark"])
def test_text_can_be_read_on_its_colour(paper):
    def colour(role):
        return getattr(COLOURS[role], paper)

    for role in ("ink", "muted", "front"):
        assert contrast(colour(role), colour("paper")) >= 4.5, role
    for kind in KINDS:
        assert contrast(colour(kind), colour(f"on-{kind}")) >= (2.5 if kind == "skip" else 4.3), kind
