"""What a user names on the command line, read: architectures, settings."""

from pathlib import Path
from typing import Any

import yaml

from genomes import Architecture, load_architecture, model, model_names
from genomes.errors import refused


def find_architecture(text: str) -> Architecture:
    """An architecture file by its path, or a published model by its name."""
    if text in model_names() and not Path(text).exists():
        return model(text)
    return load_architecture(text)


def settings(pairs: list[str]) -> dict[str, Any]:
    """The values of `key=value` pairs, each read as YAML. Raises `InvalidInput`."""
    values = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise refused("--set", pair, "key=value")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise refused("--set", pair, f"key=value with a YAML value, which {value!r} is not") from None
    return values
