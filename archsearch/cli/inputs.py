"""What a user names on the command line, read: architectures, settings."""

from pathlib import Path
from typing import Any

from genomes import Architecture, load_architecture, model, model_names
from genomes.errors import cut, refused
from genomes.reading import parse_yaml


def find_architecture(text: str) -> Architecture:
    """An architecture file by its path, or a published model by its name."""
    if text in model_names() and not Path(text).exists():
        return model(text)
    return load_architecture(text)


def settings(pairs: list[str]) -> dict[str, Any]:
    """The values of `key=value` pairs, each read as YAML. Raises `InvalidInput`."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise refused("--set", pair, "key=value")
        if key in values:
            raise refused("--set", pair, f"each key once, and {cut(key)} is set twice")
        if not value.strip():
            raise refused("--set", pair, "key=value with a value; null for none")
        values[key] = parse_yaml(value, f"--set {cut(pair)}", "value")
    return values
