"""The words of errors."""

from pathlib import Path

import pytest

from genomes.errors import InvalidInput, refused


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refused("threads", 0, "1 or more"), "threads = 0; legal: 1 or more"),
        (refused("format", "gguf", "spec, flax"), "format = 'gguf'; legal: spec, flax"),
        (
            refused("out", Path("a/b"), "a new folder", "choose another --out"),
            "out = a/b; legal: a new folder; choose another --out",
        ),
    ],
)
def test_a_refusal_says_field_value_what_is_legal_and_what_to_do(error: InvalidInput, message: str) -> None:
    assert isinstance(error, InvalidInput)
    assert str(error) == message
