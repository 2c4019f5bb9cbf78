"""Whatever a user writes is read or refused in words: no traceback, no hang, no endless message."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from archsearch.campaign.events import NotAnEventError, read_event
from archsearch.campaign.file import load_campaign
from genomes import (
    InvalidInput,
    Scale,
    load_architecture,
    model,
    parse_genome,
    parse_layout,
    preset,
    reference,
)
from hardware_profiles import device, load_device, predict
from support import GOLDEN, ROOT, campaigns
from support.fuzzing import ODD_VALUES, as_json, as_yaml, mutated, torn

SLOWEST_S = 20.0
LONGEST = 4000
SCALE = Scale(width=64, head_dim=16, context=4096)
Reader = Callable[[bytes, Path], object]


def _campaign(text: bytes, folder: Path) -> None:
    (folder / "campaign.yaml").write_bytes(text)
    campaign = load_campaign(folder / "campaign.yaml")
    if all(section.task != "text" for section in campaign.tasks):
        campaign.check()


def _device(text: bytes, folder: Path) -> None:
    (folder / "device.yaml").write_bytes(text)
    predict(model("lfm2-350m"), load_device(folder / "device.yaml"))


def _architecture(text: bytes, folder: Path) -> None:
    (folder / "some.arch.json").write_bytes(text)
    architecture = load_architecture(folder / "some.arch.json")
    predict(architecture, device("raspberry-pi-5"))


def _override(text: bytes, folder: Path) -> None:
    file = campaigns.write(folder / "tiny.yaml", campaigns.tiny(folder))
    load_campaign(file, [text.decode("utf-8", "replace")])


def _layout(text: bytes, folder: Path) -> None:
    del folder
    parse_layout(text.decode("utf-8", "replace")).at(SCALE)


def _genome(text: bytes, folder: Path) -> None:
    del folder
    preset("hybrid").decode(parse_genome(text.decode("utf-8", "replace")))


def _event(text: bytes, folder: Path) -> None:
    del folder
    read_event(text)


def _example(name: str) -> Any:
    return yaml.safe_load((ROOT / "examples" / name).read_text(encoding="utf-8"))


def _words(text: str, rng: random.Random) -> bytes:
    """A text with a piece put elsewhere, or something odd in it."""
    start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    odd = str(rng.choice(ODD_VALUES))
    pieces = [text[:start] + odd + text[end:], text[:end] + text[start:], text[start:end]]
    return torn(rng.choice(pieces).encode("utf-8", "surrogatepass"), rng)


def _campaigns(rng: random.Random) -> bytes:
    campaign = _example(rng.choice(["quickstart.yaml", "quantised.yaml"]))
    campaign["tasks"] = [{"task": "in-context-recall", "weight": 1.0}]  # no text is read for each of them
    return torn(as_yaml(mutated(campaign, rng)), rng)


def _devices(rng: random.Random) -> bytes:
    name = rng.choice(["raspberry-pi-5", "galaxy-s25-cpu", "h100-sxm"])
    return torn(as_yaml(mutated(device(name).to_dict(), rng)), rng)


def _architectures(rng: random.Random) -> bytes:
    layout = reference(rng.choice(["lfm2", "nemotron-h", "griffin", "kimi-linear"])).layout(1)
    return torn(as_json(mutated(json.loads(layout.at(SCALE).to_json()), rng)), rng)


def _overrides(rng: random.Random) -> bytes:
    keys = [
        "seed",
        "budget.rungs",
        "search.mutation",
        "tasks.0.weight",
        "objectives.1.at_most",
        "target.width",
    ]
    return torn(f"{rng.choice(keys)}={json.dumps(rng.choice(ODD_VALUES))}".encode(), rng)


def _layouts(rng: random.Random) -> bytes:
    return _words("attention(kv=1/4,window=1/8,qk_norm=yes) swiglu(8/3) mamba2 short_conv(3) moe", rng)


def _genomes(rng: random.Random) -> bytes:
    return _words("73-31-72-11-12-41/32", rng)


def _events(rng: random.Random) -> bytes:
    lines = [
        line for path in sorted(GOLDEN.glob("journal-v1*.jsonl")) for line in path.read_bytes().splitlines()
    ]
    return torn(as_json(mutated(json.loads(rng.choice(lines)), rng)), rng)


KINDS: dict[str, tuple[Callable[[random.Random], bytes], Reader, type[Exception]]] = {
    "campaign": (_campaigns, _campaign, InvalidInput),
    "device": (_devices, _device, InvalidInput),
    "architecture": (_architectures, _architecture, InvalidInput),
    "override": (_overrides, _override, InvalidInput),
    "layout": (_layouts, _layout, InvalidInput),
    "genome": (_genomes, _genome, InvalidInput),
    "event": (_events, _event, NotAnEventError),
}


def _tried(kind: str, inputs: int, folder: Path) -> dict[str, int]:
    """How many of so many inputs of a kind were read and how many refused; anything else fails here."""
    make, read, refusal = KINDS[kind]
    counts = {"read": 0, "refused": 0}
    for number in range(inputs):
        text = make(random.Random(f"{kind}/{number}"))
        started = time.monotonic()
        try:
            read(text, folder)
            counts["read"] += 1
        except (InvalidInput, refusal) as error:
            counts["refused"] += 1
            assert len(str(error)) < LONGEST, f"{kind}/{number}: a message of {len(str(error))} characters"
            assert "\x1b" not in str(error), f"{kind}/{number}"
        except Exception as error:
            raise AssertionError(f"{kind}/{number}: {text[:300]!r} raised {error!r}") from error
        assert time.monotonic() - started < SLOWEST_S, f"{kind}/{number} took too long"
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_some_mutated_inputs_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    _tried(kind, 30, tmp_path)


@pytest.mark.slow
def test_many_mutated_inputs_are_read_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {kind: _tried(kind, 600, tmp_path) for kind in KINDS}
    with capsys.disabled():
        print(f"\n{'kind':14}{'inputs':>8}{'read':>8}{'refused':>9}{'tracebacks':>12}{'hangs':>7}")  # noqa: T201
        for kind, counts in rows.items():
            read, refused = counts["read"], counts["refused"]
            print(f"{kind:14}{read + refused:8}{read:8}{refused:9}{0:12}{0:7}")  # noqa: T201
