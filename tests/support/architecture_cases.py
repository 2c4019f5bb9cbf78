"""A golden architecture file, and the message of a refusal."""

import json
from typing import Any

import pytest

from genomes import (
    InvalidInput,
    read_architecture,
)
from support import GOLDEN

HUGE = 10**30


def golden() -> dict[str, Any]:
    return json.loads((GOLDEN / "architecture-v1.arch.json").read_text(encoding="utf-8"))


def refused(data: object, source: str = "some/file.json") -> str:
    with pytest.raises(InvalidInput) as caught:
        read_architecture(data, source)
    message = str(caught.value)
    assert message.startswith(f"{source}: ")
    assert "pydantic" not in message and "\n" not in message and "Value error" not in message
    return message
