"""Weights on disk, through Orbax: a trial's, to continue from and to export, and an exported winner's."""

import logging
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from genomes import Architecture, InvalidInput
from proxies.model import Model
from proxies.training.program import TrainingState

CHECKPOINT = "checkpoint"
"""Name of the folder that a trial keeps its weights in."""

logging.getLogger("absl").setLevel(logging.ERROR)


class BeforeDecay(NamedTuple):
    """The state of a training before its decay, and the steps made until then."""

    state: TrainingState
    step: int


def save(directory: Path, weights: Any, before_decay: TrainingState, step: int) -> None:
    """Keep a trial's weights and the state from which a longer one continues, in `directory/checkpoint`."""
    path = (directory / CHECKPOINT).absolute()
    shutil.rmtree(path, ignore_errors=True)
    tree = {"weights": weights, "before_decay": before_decay._asdict(), "step": step}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, tree)


def before_decay(directory: Path, like: TrainingState) -> BeforeDecay | None:
    """What `save` kept of the state before the decay; None where there is none that can be read."""
    path = (directory / CHECKPOINT).absolute()
    if not path.is_dir():
        return None
    try:
        tree = _restore(path, {"weights": like.parameters, "before_decay": like._asdict(), "step": 0})
    except Exception:  # whatever Orbax raises of what it cannot read: the training begins anew
        return None
    return BeforeDecay(TrainingState(**tree["before_decay"]), int(tree["step"]))


def read_trial_weights(directory: Path) -> Any:
    """The model's weights that `save` kept of a trial. Raises `InvalidInput` where there are none."""
    weights = _read(directory / CHECKPOINT)["weights"]
    return weights["model"]


def save_weights(path: Path, weights: Any) -> None:
    """Write a model's weights as an Orbax checkpoint of their own. Raises `FileExistsError`."""
    if path.exists():
        raise FileExistsError(path)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path.absolute(), weights)


def load_weights(path: Path | str, architecture: Architecture) -> Any:
    """The weights that `save_weights` wrote, as `Model(architecture).apply({"params": ...})` takes them.

    Raises `InvalidInput` where the folder holds none or they are another architecture's.
    """
    return fitted(_read(Path(path)), architecture, str(path))


def fitted(weights: Any, architecture: Architecture, source: str) -> Any:
    """`weights` if their names and shapes are those of the architecture, else `InvalidInput`."""
    model = Model(architecture)
    expected = jax.eval_shape(lambda: model.init(jax.random.key(0), method="create")["params"])

    def shapes(tree: Any) -> dict[str, tuple[int, ...]]:
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        return {jax.tree_util.keystr(path): leaf.shape for path, leaf in leaves}

    held, wanted = shapes(weights), shapes(expected)
    different = sorted(name for name in held.keys() | wanted if held.get(name) != wanted.get(name))
    if different:
        name = different[0]
        raise InvalidInput(
            f"{source}: weight {name} has shape {held.get(name)}; the architecture's has {wanted.get(name)}"
            + (f" ({len(different) - 1} more differ)" if len(different) > 1 else "")
        )
    return weights


def _read(path: Path) -> Any:
    try:
        return _restore(path.absolute(), None)
    except Exception as error:  # Orbax raises nothing narrower of what it cannot read
        raise InvalidInput(f"{path}: no readable checkpoint: {error}") from None


def _restore(path: Path, like: Any) -> Any:
    with ocp.StandardCheckpointer() as checkpointer, warnings.catch_warnings():
        # Without a target Orbax reads the sharding from its own file and warns; one machine needs none.
        warnings.filterwarnings("ignore", message="Sharding info not provided", category=UserWarning)
        return checkpointer.restore(path, like)
