"""The one reader of files that a user writes: YAML and JSON, read strictly.

Both refuse what is no regular file, what is too large, repeated keys and nesting without end. YAML has no
aliases, since a few bytes of them can stand for gigabytes. Its numbers are decimal as in the core schema of
YAML 1.2: `1e-3` is a number and `010` is ten, while `1_000`, `1:30` and `2020-13-45` are text.
"""

import json
import math
import os
import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from genomes.errors import InvalidInput, cut

LARGEST_BYTES = 64 * 2**20
"""Size of the largest text that is read."""
LARGEST_YAML_BYTES = 8 * 2**20
"""Size of the largest YAML file that is read: some 100,000 lines a minute."""
MOST_DIGITS = 300
"""Digits of the longest integer that is read; a longer one has no place among floats."""


def read_text(path: Path | str, largest_bytes: int = LARGEST_BYTES) -> str:
    """The text of a regular UTF-8 file, without its byte order mark. Raises `InvalidInput` naming it."""
    try:
        # Not to wait for whoever writes into a FIFO.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "a device or a pipe"
            raise InvalidInput(f"{path}: is {kind}; legal: a regular file")
        with os.fdopen(file, "rb", closefd=False) as opened:
            content = opened.read(largest_bytes + 1)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None
    finally:
        os.close(file)
    if len(content) > largest_bytes:
        raise InvalidInput(f"{path}: is larger than {largest_bytes / 2**20:g} MiB, which no such file is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path}: not a file of UTF-8 text: {error.reason} at byte {error.start}"
        ) from None


def read_yaml(path: Path | str) -> Any:
    """The value of a YAML file. Raises `InvalidInput` naming it."""
    return parse_yaml(read_text(path, LARGEST_YAML_BYTES), str(path))


def read_json(path: Path | str) -> Any:
    """The value of a JSON file. Raises `InvalidInput` naming it."""
    return parse_json(read_text(path), str(path))


def parse_yaml(text: str, source: str, what: str = "file") -> Any:
    """The value of a YAML text, in messages named `source` and called a `what`. Raises `InvalidInput`."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InvalidInput(f"{source}: not a YAML {what}: {_place(error)}") from None
    except RecursionError:
        raise InvalidInput(f"{source}: not a YAML {what} that is read: too deeply nested") from None
    except (ValueError, OverflowError, AttributeError, TypeError) as error:
        # PyYAML passes on what the constructors of tagged values raise.
        raise InvalidInput(f"{source}: not a YAML {what}: {cut(str(error))}") from None


def parse_json(text: str | bytes, source: str) -> Any:
    """The value of a JSON text; `source` is the name of it in messages. Raises `InvalidInput`."""
    try:
        return strict_json(text)
    except RecursionError:
        raise InvalidInput(f"{source}: not a JSON file that is read: too deeply nested") from None
    except ValueError as error:
        raise InvalidInput(f"{source}: not a JSON file: {cut(str(error))}") from None


def strict_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises `ValueError` for repeated keys and for numbers that are not finite, `RecursionError` where it is
    nested too deeply.
    """
    return json.loads(
        text,
        object_pairs_hook=_unrepeated,
        parse_int=_integer,
        parse_float=_finite,
        parse_constant=_finite,
    )


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{cut(repr(repeated))} is given twice in one object")
    return fields


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"{digits[:9]}... has {len(digits)} digits; legal: at most {MOST_DIGITS}")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{cut(digits)} is not finite")
    return number


def _place(error: yaml.YAMLError) -> str:
    """Where and what, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or problem is None:
        return cut(" ".join(str(error).split()))
    return f"line {mark.line + 1}, column {mark.column + 1}: {cut(problem)}"


class _Loader(yaml.SafeLoader):
    """Plain values only."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node that is no alias."""
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, f"*{event.anchor} is an alias; write its value out", event.start_mark
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping whose keys differ."""
        seen = set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{cut(repr(key.value))} is given twice", key.start_mark
                )
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


def _construct_integer(_: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    if not _INTEGER.fullmatch(node.value):
        raise yaml.constructor.ConstructorError(
            None, None, f"{cut(repr(node.value))} is no whole number", node.start_mark
        )
    return _integer(node.value)


def _construct_float(_: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
    if not _FLOAT.fullmatch(node.value) and not _INTEGER.fullmatch(node.value):
        raise yaml.constructor.ConstructorError(
            None, None, f"{cut(repr(node.value))} is no number", node.start_mark
        )
    return float(text)


_NUMBERS_AND_DATES = (":int", ":float", ":timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in patterns if not tag.endswith(_NUMBERS_AND_DATES)]
    for first, patterns in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
for _tag, _pattern, _make in (
    ("tag:yaml.org,2002:int", _INTEGER, _construct_integer),
    ("tag:yaml.org,2002:float", _FLOAT, _construct_float),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern.pattern})\Z"), list("-+0123456789."))
    _Loader.add_constructor(_tag, _make)
