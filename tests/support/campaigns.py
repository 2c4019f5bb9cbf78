"""A tiny real campaign: a few seconds of training in all, and what is compared of its runs."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from archsearch.campaign.directory import load_run
from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.journal import read_journal

SEARCHED = 3 + (3 - 1)
REFERENCES = 3


def text_folder(folder: Path) -> Path:
    """A folder with two files of text that nobody wrote before."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("one", "two"):
        lines = [hashlib.sha256(f"{name}{i}".encode()).hexdigest() for i in range(80)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def tiny(text: Path | str) -> dict[str, Any]:
    """The campaign as its file would say it."""
    return {
        "name": "tiny",
        "seed": 3,
        "space": {"preset": "hybrid", "blocks": 3},
        "proxy": {"width": 16, "head_dim": 4},
        "target": {"width": 64, "blocks": 6, "head_dim": 16, "vocab_size": 512},
        "objectives": [
            {"metric": "quality", "direction": "max"},
            {"metric": "decode_latency_s", "device": "raspberry-pi-5", "context": 512, "direction": "min"},
            {"metric": "peak_memory_bytes", "device": "galaxy-s24-ultra-cpu", "context": 2048},
            {"metric": "parameters", "at_most": 190_000},
        ],
        "tasks": [
            {"task": "text", "path": str(text), "weight": 2.0},
            {"task": "in-context-recall", "vocab_size": 16},
        ],
        "search": {"population": 3, "generations": 2, "elites": 1},
        "budget": {
            "length": 32,
            "batch": 4,
            "rungs": [5, 10],
            "learning_rates": [3.0e-3, 1.0e-2],
            "final_seeds": 1,
            "evaluation_batches": 2,
        },
        "references": ["transformer++", "lfm2", "qwen3"],
    }


def write(path: Path, data: dict[str, Any]) -> Path:
    """Write a campaign file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def load(folder: Path, data: dict[str, Any]) -> Campaign:
    """The campaign by way of its file."""
    return load_campaign(write(folder / "campaign.yaml", data))


def outcome(path: Path) -> dict[str, Any]:
    """Everything of a run that must be the same again."""
    results = load_run(path).results()
    return {
        "front": results.front,
        "finished": results.finished,
        "reference_point": results.reference_point,
        "candidates": {
            c.fingerprint: (
                c.name,
                c.origin,
                c.generation,
                c.status,
                c.cause,
                c.rung,
                c.pattern,
                c.genome,
                c.objectives,
                c.signals,
            )
            for c in results.candidates
        },
        "trials": {(t.candidate, t.id): (t.rung, t.status, t.chosen, t.result.score) for t in results.trials},
    }


def events(path: Path, kind: str) -> list[dict[str, Any]]:
    """The events of one kind as they stand in a run's journal, less what is damaged."""
    damaged = {damage.line for damage in read_journal(path / "journal.jsonl")[1]}
    lines = (path / "journal.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for number, line in enumerate(lines, 1) if line and number not in damaged]
    return [row for row in rows if row["event"] == kind]


def trial_counts(path: Path) -> Counter[str]:
    """How often each trial stands in the journal."""
    return Counter(trial["key"] for event in events(path, "job") for trial in event["trials"])
