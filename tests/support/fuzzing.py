"""Structure-aware mutations of what a user writes: seeded, so that a failure can be repeated."""

import copy
import json
import random
from typing import Any

import yaml

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3.5, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf")),
    *(2**31, 2**63, 2**64, -(2**63), 10**30, "", " ", "0", "-1", "1e9", "1_000", "yes", "null", "nan", "\0"),
    *("\x1b[31m", "a" * 5000, "é\u202e", "../../etc/passwd", "/dev/zero", "{arch.foo}", "=1+1", "[", "]"),
    *([], {}, [[]], [None], {"": None}, [[[[[]]]]], [1, 2, 3], ["a", "a"], {"a": {"a": {"a": {}}}}),
)
FRAGMENTS = (
    "&a ",
    "*a",
    "<<: ",
    "!!python/object:os.system ",
    "!!binary ",
    "---\n",
    "\t",
    "{",
    "}",
    '"',
    "#",
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each value inside a value."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    return [path, *(each for key, part in inner for each in _paths(part, (*path, key)))]


def _odd(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(ODD_VALUES))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def mutated(value: Any, rng: random.Random) -> Any:
    """The value with one to three of its parts replaced, removed, moved, doubled or added."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.randint(1, 3)):
        paths = [(0, *path) for path in _paths(root[0])]
        path = rng.choice(paths)
        place, key = _at(root, path[:-1]), path[-1]
        match rng.randrange(6):
            case 0 if len(path) > 1:
                del place[key]
            case 1:
                place[key] = copy.deepcopy(_at(root, rng.choice(paths)))
            case 2 if isinstance(place[key], dict):
                place[key][rng.choice(["extra", "", "name", "op", "device"])] = _odd(rng)
            case 3 if isinstance(place[key], list):
                place[key] += copy.deepcopy(place[key]) or [_odd(rng)]
            case 4 if isinstance(place[key], int | float) and not isinstance(place[key], bool):
                place[key] = place[key] * rng.choice([-1, 0, 1000, 1e-9, 10**12])
            case _:
                place[key] = _odd(rng)
    return root[0]


def torn(text: bytes, rng: random.Random) -> bytes:
    """The text, mostly as it is; else cut, with bytes changed, a part doubled, or a fragment put in."""
    if not text or rng.random() < 0.6:
        return text
    start, end = sorted(rng.randrange(len(text)) for _ in range(2))
    match rng.randrange(4):
        case 0:
            return text[:end]
        case 1:
            return text[:start] + bytes([rng.randrange(256)]) + text[start + 1 :]
        case 2:
            return text[:end] + text[start:end] + text[end:]
        case _:
            return text[:start] + rng.choice(FRAGMENTS).encode() + text[start:]


def as_yaml(value: Any) -> bytes:
    """YAML, or JSON where YAML cannot write it."""
    try:
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")
    except yaml.YAMLError:
        return as_json(value)


def as_json(value: Any) -> bytes:
    """JSON, as lenient as Python writes it."""
    return json.dumps(value, default=str).encode("utf-8", "surrogatepass")
