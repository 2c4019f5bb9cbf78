"""`train`: one architecture on one task, by hand."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archsearch.campaign.sections import BudgetSection
from archsearch.evaluation.conformance import blocks_of, refuse_broken
from genomes import Architecture, InvalidInput
from genomes.errors import describe, refused
from proxies.trial import TrialConfig, best_index


def train(
    architecture: Architecture,
    task: str,
    *,
    steps: int = 180,
    length: int = 64,
    batch: int = 16,
    learning_rates: Sequence[float] | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Train at each learning rate (the campaign defaults if none is given), keep the best on validation.

    Returns `task, loss, accuracy, score, metric, baseline, baseline_loss, baseline_accuracy, bits_per_byte,
    steps, seconds, learning_rate, seed, fingerprint, out`. Loss and accuracy are those of the judged
    positions of the held-out test stream; the score is 1 - loss / baseline_loss; bits a byte are given for
    text. `seed` is that of the weights and of the training data. With `out`, a new folder gets the curve, log
    and weights of each trial, and the architecture. Raises `InvalidInput` for bad arguments, `RuntimeError`
    where every rate fails.
    """
    from pydantic import ValidationError

    from proxies.training.trials import run_trial

    if out is not None and out.exists():
        raise refused("out", out, "a new folder")
    refuse_broken(blocks_of(architecture), architecture.width)
    results = []
    for rate in learning_rates or BudgetSection().learning_rates:
        try:
            config = TrialConfig(
                task=task,
                data_seed=seed,
                settings=settings or {},
                length=length,
                batch=batch,
                steps=steps,
                learning_rate=rate,
                warmup_steps=max(1, steps // 10),
            )
        except ValidationError as error:
            raise InvalidInput(describe(error)) from None
        folder = out / repr(rate) if out is not None else None
        results.append(run_trial(architecture, config, seed, folder))
    best = results[best_index([result.validation_loss for result in results])]
    if best.status != "ok":
        raise RuntimeError(f"training failed at every learning rate: {best.cause}")
    if out is not None:
        (out / "arch.json").write_text(architecture.to_json(), encoding="utf-8")
    return {
        "task": best.task,
        "loss": best.loss,
        "accuracy": best.accuracy,
        "score": best.score,
        "metric": best.metric,
        "baseline": best.baseline,
        "baseline_loss": best.baseline_loss,
        "baseline_accuracy": best.baseline_accuracy,
        "bits_per_byte": best.bits_per_byte,
        "steps": best.steps,
        "seconds": round(math.fsum(sum(result.seconds.values()) for result in results), 2),
        "learning_rate": best.learning_rate,
        "seed": best.seed,
        "fingerprint": best.fingerprint,
        "out": None if out is None else str(out / repr(best.learning_rate)),
    }
