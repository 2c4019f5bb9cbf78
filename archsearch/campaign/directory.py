"""The run directory: where everything of a run lies, and how it is read back."""

import json
import platform
import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from archsearch.campaign.file import Campaign, load_campaign
from archsearch.campaign.journal import Damage, read_journal
from archsearch.campaign.ledger import Ledger
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.results import Results
from archsearch.campaign.standing import Standing
from archsearch.campaign.summary import results
from genomes import InvalidInput
from genomes.errors import cut, named, refused
from genomes.files import write_whole
from genomes.reading import read_json
from hardware_profiles import Device, load_device, this_machine
from hardware_profiles.measuring.this_machine import resolve_device

PACKAGES = (
    "archsearch",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "deap",
    "moocore",
    "ray",
)


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run."""

    path: Path

    @property
    def campaign(self) -> Path:
        """The resolved campaign file."""
        return self.path / "campaign.yaml"

    @property
    def environment(self) -> Path:
        """Versions and machine."""
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """The events."""
        return self.path / "journal.jsonl"

    @property
    def profiles(self) -> Path:
        """Copies of the device profiles."""
        return self.path / "profiles"

    @property
    def report(self) -> Path:
        """Page, tables and pictures."""
        return self.path / "report"

    def candidate(self, fingerprint: str) -> Path:
        """The folder of a candidate."""
        return self.path / "candidates" / fingerprint

    def create(self, campaign: Campaign, devices: dict[str, Device]) -> None:
        """Make the directory of a new run, whole or not at all. Raises `InvalidInput` where it exists."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = RunDirectory(self.path.with_name(f".{self.path.name[:40]}.{secrets.token_hex(4)}.partial"))
        try:
            aside.path.mkdir()
            aside._fill(campaign, devices)
            if self.path.exists():  # an empty folder too, which renaming would replace
                raise FileExistsError
            aside.path.rename(self.path)
        except FileExistsError:
            raise InvalidInput(
                f"{self.path} exists; a run never overwrites another: choose --out, "
                f"or go on with it by archsearch resume {shlex.quote(str(self.path))}"
            ) from None
        finally:
            shutil.rmtree(aside.path, ignore_errors=True)

    def _fill(self, campaign: Campaign, devices: dict[str, Device]) -> None:
        self.profiles.mkdir()
        names: dict[str, str] = {}
        for name, device in devices.items():
            file = f"{_file_name(name)}.yaml"
            names[name] = f"{len(names)}-{file}" if file in names.values() else file
            (self.profiles / names[name]).write_text(device.to_yaml(), encoding="utf-8")
        (self.profiles / "names.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
        self.environment.write_text(json.dumps(environment(), indent=1) + "\n", encoding="utf-8")
        self.journal.touch()
        self.campaign.write_text(campaign.to_yaml(), encoding="utf-8")

    def rewrite(self, campaign: Campaign) -> None:
        """Keep the campaign as a session goes on with it."""
        text = campaign.to_yaml()
        if self.campaign.read_text(encoding="utf-8") != text:
            write_whole(self.campaign, text)

    def devices(self) -> dict[str, Device]:
        """The device profiles of the run, by the name that the campaign uses."""
        names = read_json(self.profiles / "names.json")
        if not isinstance(names, dict):
            raise refused(f"{self.profiles / 'names.json'}: content", names, "an object of names and files")
        for name, file in names.items():
            if not isinstance(file, str) or not re.fullmatch(_FILE_NAME, file):
                raise refused(
                    f"{self.profiles / 'names.json'}: {cut(name)}",
                    file,
                    f"the name of a file in {self.profiles}",
                )
        return {name: load_device(self.profiles / file) for name, file in names.items()}


@dataclass(frozen=True)
class LoadedRun:
    """A run read back."""

    directory: RunDirectory
    campaign: Campaign
    pricing: Pricing
    ledger: Ledger
    standing: Standing
    """What the ledger says of the candidates, always as it is."""
    damages: list[Damage]

    def results(self) -> Results:
        """Everything that it has to show."""
        try:
            recorded = read_json(self.directory.environment)
        except InvalidInput:
            recorded = {}
        if not isinstance(recorded, dict):
            recorded = {}
        devices = {name: device.to_dict() for name, device in self.pricing.devices.items()}
        return replace(results(self.standing, recorded, devices), directory=str(self.directory.path))


def load_run(path: Path | str, overrides: Sequence[str] = ()) -> LoadedRun:
    """Read a run directory, keys of its campaign replaced by `overrides` (`load_campaign`).

    Raises `InvalidInput` naming the file that is missing or wrong.
    """
    directory = RunDirectory(Path(path))
    if not directory.campaign.is_file():
        raise InvalidInput(f"{directory.path}: not the directory of a run (it has no campaign.yaml)")
    campaign = load_campaign(directory.campaign, overrides)
    pricing = Pricing.of(campaign, directory.devices())
    events, damages = read_journal(directory.journal, campaign.task_names)
    ledger = Ledger(campaign)
    for event in events:
        ledger.apply(event)
    standing = Standing(ledger, pricing.objectives)
    return LoadedRun(directory, campaign, pricing, ledger, standing, damages)


def resolve_devices(campaign: Campaign, say: Callable[[str], None] | None = None) -> dict[str, Device]:
    """The devices of the objectives, by the name that the campaign uses. Raises `InvalidInput`."""
    names = dict.fromkeys(o.device for o in campaign.objectives if o.device is not None)
    devices = {}
    for name in names:
        index = [o.device for o in campaign.objectives].index(name)
        with named(f"objectives.{index}.device"):
            devices[name] = resolve_device(name, progress=say)
    return devices


def environment() -> dict[str, Any]:
    """Versions and machine, recorded with each run."""
    machine = this_machine()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": machine.processor,
        "cores": machine.cores,
        "memory_bytes": machine.memory_bytes,
        "versions": {name: version(name) for name in PACKAGES},
    }


_FILE_NAME = r"(?!\.)[\w.-]+"
"""What `_file_name` makes, and nothing that leads to another folder."""


def _file_name(device: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in device.rsplit("/", 1)[-1])
