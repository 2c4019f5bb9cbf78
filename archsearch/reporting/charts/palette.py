"""Colours of the page and of the pictures, defined once.

Hues are those of Okabe and Ito's set, which people with any colour vision tell apart; what repeats most
(feed-forward blocks, evaluated candidates) is grey, so that colour is left for what differs. A role is a name
such as `front`; the page turns each into a CSS variable, the pictures take the light value.
"""

from typing import NamedTuple


class Colour(NamedTuple):
    """One role on white and on dark paper."""

    light: str
    dark: str


COLOURS: dict[str, Colour] = {
    "paper": Colour("#ffffff", "#15181c"),
    "panel": Colour("#f6f7f8", "#1d2126"),
    "ink": Colour("#1c2126", "#e6e9ec"),
    "muted": Colour("#5c6670", "#9aa4ae"),
    "rule": Colour("#d9dde1", "#363d45"),
    "grid": Colour("#edeff1", "#262b31"),
    "faint": Colour("#d3d8dd", "#3a424a"),
    "strong": Colour("#8c98a4", "#76828e"),
    "front": Colour("#c24e00", "#ff9248"),
    "alarm": Colour("#8a1c1c", "#ff9c94"),
    # Token-mixing families, and the letters on them.
    "attention": Colour("#0072b2", "#1f7fbd"),
    "on-attention": Colour("#ffffff", "#ffffff"),
    "recurrence": Colour("#e69f00", "#e0a020"),
    "on-recurrence": Colour("#241a00", "#241a00"),
    "convolution": Colour("#009e73", "#14a67d"),
    "on-convolution": Colour("#001a12", "#001a12"),
    "memoryless": Colour("#dfe3e7", "#39414a"),
    "on-memoryless": Colour("#434c55", "#c0c8d0"),
    "skip": Colour("#ffffff", "#15181c"),
    "on-skip": Colour("#8c98a4", "#76828e"),
    # Phases of the workers' time: one hue, from useful to lost.
    "phase-0": Colour("#29465b", "#9cc0da"),
    "phase-1": Colour("#577b97", "#6f95b2"),
    "phase-2": Colour("#86a5bd", "#527590"),
    "phase-3": Colour("#b1c6d6", "#3f5a70"),
    "phase-4": Colour("#d2dee7", "#30444f"),
    "phase-5": Colour("#f0f3f6", "#22282e"),
}

KINDS: dict[str, str] = {
    "attention": "attention",
    "recurrence": "recurrence",
    "convolution": "convolution",
    "memoryless": "memoryless (feed-forward)",
    "skip": "skip",
}
"""Token-mixing family, which is also the role of its colour, and what legends call it."""


def kind_role(kind: str) -> str:
    """The role that fills a block of this family."""
    return kind if kind in KINDS else "skip"
