"""Weights on disk: the same when read again, refused where they do not fit, never needed to be whole."""

import gc
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from genomes import RGLRU, Architecture, InvalidInput, SwiGLU
from proxies.model import Model
from proxies.training import checkpoints
from proxies.training.program import initial_state
from proxies.training.trials import run_trial
from support.trial_cases import HYBRID, LENGTH, config, equal, outcome, weights


def _truncate(path: Path) -> None:
    for file in path.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _forget_metadata(path: Path) -> None:
    (path / "_METADATA").unlink()


def _empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def _lose_data(path: Path) -> None:
    for folder in ("d", "ocdbt.process_0"):
        shutil.rmtree(path / folder)


def _overwrite(path: Path) -> None:
    for file in path.rglob("*"):
        if file.is_file():
            file.write_bytes(b"\xff" * file.stat().st_size)


# Orbax's own thread complains of its closed event loop when data are missing.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "damage", [shutil.rmtree, _empty, _truncate, _forget_metadata, _lose_data, _overwrite]
)
def test_a_damaged_checkpoint_costs_time_only(damage, short: Path, long: tuple, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(short, copy)
    damage(copy / checkpoints.CHECKPOINT)
    result = run_trial(HYBRID, config(60), 3, resume_from=copy)
    gc.collect()  # so that it complains now
    assert result.resumed_from_step == 0
    assert outcome(result) == outcome(long[0])


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    saved = Model(HYBRID).init(jax.random.key(2), method="create")["params"]
    checkpoints.save_weights(tmp_path / "weights", saved)
    assert equal(saved, checkpoints.load_weights(tmp_path / "weights", HYBRID))
    assert equal(saved, checkpoints.load_weights(str(tmp_path / "weights"), HYBRID))
    with pytest.raises(FileExistsError):
        checkpoints.save_weights(tmp_path / "weights", saved)


def test_another_architectures_weights_are_refused(tmp_path: Path) -> None:
    checkpoints.save_weights(
        tmp_path / "weights", Model(HYBRID).init(jax.random.key(2), method="create")["params"]
    )
    larger = Architecture(width=32, vocab_size=16, blocks=(*HYBRID.blocks[:2], SwiGLU(hidden=64)))
    with pytest.raises(InvalidInput, match=r"\['ops_2'\]\['down'\] has shape \(48, 32\).* \(64, 32\)"):
        checkpoints.load_weights(tmp_path / "weights", larger)
    other = Architecture(width=32, vocab_size=16, blocks=(RGLRU(lru_width=32, heads=2),))
    with pytest.raises(InvalidInput, match=r"weight \['(norm|ops)_\w+'\].*more differ"):
        checkpoints.load_weights(tmp_path / "weights", other)
    with pytest.raises(InvalidInput, match="no readable checkpoint"):
        checkpoints.load_weights(tmp_path / "nothing", HYBRID)


def test_a_trials_weights_are_the_trained_ones(short: Path, tmp_path: Path) -> None:
    trained = weights(short)
    initial = initial_state(HYBRID.with_vocabulary(256), "next_token", LENGTH, 3).parameters["model"]
    assert jax.tree.map(jnp.shape, trained) == jax.tree.map(jnp.shape, initial)
    assert not equal(trained, initial)
    with pytest.raises(InvalidInput, match="no readable checkpoint"):
        checkpoints.read_trial_weights(tmp_path)
