"""What is exported: a candidate of a run, or any architecture file."""

from dataclasses import dataclass
from pathlib import Path

from archsearch.campaign.directory import LoadedRun, load_run
from archsearch.campaign.results import Candidate, Results
from genomes import Architecture, load_architecture
from genomes.errors import refused


@dataclass(frozen=True)
class Trained:
    """A candidate of a run, with the small model that was trained of its layout."""

    run: LoadedRun
    results: Results
    candidate: Candidate
    proxy: Architecture


@dataclass(frozen=True)
class Source:
    """The architecture to deploy, and the trained candidate that it belongs to, if it comes from a run."""

    origin: str
    """What the user named: `DIR#ID` or an architecture file."""
    architecture: Architecture
    trained: Trained | None = None

    @property
    def name(self) -> str:
        """What the exported model is called."""
        if self.trained is not None:
            return self.trained.candidate.name
        return self.architecture.name or "architecture"


def find_source(text: str) -> Source:
    """`DIR#ID` of a run, or an `.arch.json`. Raises `InvalidInput` listing the ids of the front."""
    path, separator, identifier = text.rpartition("#")
    if not separator and (Path(text) / "campaign.yaml").is_file():
        ids = ", ".join(load_run(text).results().front) or "none yet"
        raise refused("source", text, f"{text}#ID of a candidate; the front: {ids}")
    if not separator:
        return Source(text, load_architecture(text))
    loaded = load_run(path)
    results = loaded.results()
    try:
        candidate = results.candidate(identifier)
    except KeyError:
        front = ", ".join(results.front) or "none yet"
        raise refused("source", text, f"{path}#ID of a single candidate; the front: {front}") from None
    folder = loaded.directory.candidate(candidate.fingerprint)
    target, proxy = (load_architecture(folder / name) for name in ("target.arch.json", "arch.json"))
    return Source(text, target, Trained(loaded, results, candidate, proxy))
