"""Exports of what a campaign found: architecture files and trained proxies that load again."""

import json

import numpy as np
import pytest

from archsearch.campaign.directory import load_run
from archsearch.interchange.export import export
from genomes import InvalidInput, load_architecture
from genomes.accounting import parameters


def test_a_winner_is_exported_as_a_specification(base, tmp_path):
    results = load_run(base).results()
    winner = results.candidate(results.front[0])
    out = export(f"{base}#{winner.id}", "spec", tmp_path / "spec")
    (file,) = out.glob("*.arch.json")
    architecture = load_architecture(file)
    assert (architecture.width, len(architecture.blocks), architecture.vocab_size) == (64, 6, 512)
    assert parameters(architecture) == winner.parameters["target"]
    card = (out / "README.md").read_text("utf-8")
    assert winner.pattern in card
    assert f"{winner.parameters['target']:,}" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec"]


def test_an_exported_proxy_reproduces_its_recorded_loss(base, tmp_path):
    import jax
    import jax.numpy as jnp

    from proxies.model import Model
    from proxies.training.checkpoints import load_weights
    from proxies.training.trials import held_out_batches
    from proxies.trial import TrialConfig

    results = load_run(base).results()
    for name in (results.front[0], "lfm2"):
        out = export(f"{base}#{name}", "flax", tmp_path / name)
        for task in ("text", "in-context-recall"):
            folder = out / task
            architecture = load_architecture(folder / "proxy.arch.json")
            weights = load_weights(folder / "weights", architecture)
            recorded = json.loads((folder / "result.json").read_text("utf-8"))
            assert recorded["steps"] == 10
            config = TrialConfig.model_validate(recorded["config"])
            total = judged = 0.0
            for batch in held_out_batches(config.make_task(), "test", config):
                logits = Model(architecture).apply(
                    {"params": weights}, jnp.asarray(batch.tokens), method="forward"
                )
                log_p = np.asarray(jax.nn.log_softmax(logits[..., : config.make_task().vocab_size]))
                chosen = np.take_along_axis(log_p, np.asarray(batch.targets)[..., None], axis=-1)[..., 0]
                total -= float((chosen * batch.weights).sum())
                judged += float(batch.weights.sum())
            assert total / judged == pytest.approx(recorded["loss"], rel=1e-4)


def test_a_candidate_of_the_first_rung_can_be_exported_too(base, tmp_path):
    lower = next(c for c in load_run(base).results().candidates if c.rung == 0)
    out = export(f"{base}#{lower.id}", "flax", tmp_path / "out")
    assert json.loads((out / "text" / "result.json").read_text("utf-8"))["steps"] == 5


def test_what_cannot_be_exported_is_refused(base, tmp_path):
    results = load_run(base).results()
    winner = results.front[0]
    rejected = next(c for c in results.candidates if c.status == "rejected")
    architecture = base / "candidates" / rejected.fingerprint / "target.arch.json"
    (tmp_path / "taken").mkdir()
    cases = [
        (f"{base}#nobody", "spec", "new", list(results.front)),
        (f"{base}#", "spec", "new", list(results.front)),
        (f"{base}#{winner}", "onnx", "new", ["onnx", "spec", "flax"]),
        (f"{base}#{winner}", "spec", "taken", ["out = ", "legal: a new folder"]),
        (str(architecture), "flax", "new", ["no trained weights", "DIR#ID"]),
        (f"{base}#{rejected.id}", "flax", "new", [rejected.id, "finished no rung"]),
        (f"{tmp_path}#{winner}", "spec", "new", ["not the directory of a run"]),
    ]
    for source, format, out, said in cases:
        with pytest.raises(InvalidInput) as caught:
            export(source, format, tmp_path / out)
        assert [words for words in said if words not in str(caught.value)] == [], str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert list((tmp_path / "taken").iterdir()) == []
