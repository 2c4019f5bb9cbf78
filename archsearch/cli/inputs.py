"""What a user names on the command line, read: architectures, settings."""

from pathlib import Path
from typing import Any

from archsearch.interchange.source import find_source
from genomes import Architecture, load_architecture, model, model_names
from genomes.errors import cut, refused, unknown
from genomes.reading import parse_yaml


def find_architecture(text: str, trained: bool = False) -> Architecture:
    """An architecture file by its path, a published model by its name, or `DIR#ID` of a run.

    Of a run it is the target, or the proxy where what is `trained` is asked for. Raises `InvalidInput`.
    """
    if not Path(text).exists():
        if text in model_names():
            return model(text)
        if "#" in text:
            source = find_source(text)
            return source.trained.proxy if trained and source.trained is not None else source.architecture
        if "/" not in text and not text.endswith(".json"):
            raise unknown("architecture", text, model_names(), "; or the path of a file, or DIR#ID of a run")
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
