"""`flax`: the trained proxy of a candidate, a folder with weights for each task."""

from pathlib import Path

from archsearch.interchange.source import Trained
from genomes import InvalidInput
from genomes.files import write_json


def write_proxy(trained: Trained, out: Path) -> None:
    """Write each task's proxy into a folder of its name: architecture, result, weights as Orbax checkpoint.

    Raises `InvalidInput` where the candidate finished no rung.
    """
    from proxies.training.checkpoints import read_trial_weights, save_weights

    candidate = trained.candidate
    chosen = trained.run.standing.chosen(trained.proxy.fingerprint, candidate.rung)
    if not chosen:
        cause = candidate.cause or "its training is not finished"
        raise InvalidInput(f"{candidate.id} has no weights: it finished no rung ({cause})")
    for (task, replicate), trial in chosen.items():
        weights = read_trial_weights(trained.run.directory.path / trial.directory)
        architecture = trained.proxy.with_vocabulary(weights["embedding"].shape[0])
        folder = out / (task if replicate == 0 else f"{task}-{replicate}")
        folder.mkdir()
        (folder / "proxy.arch.json").write_text(architecture.to_json(), encoding="utf-8")
        write_json(folder / "result.json", trial.result.to_dict())
        save_weights(folder / "weights", weights)
