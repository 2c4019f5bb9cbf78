"""Made-up events."""

from collections.abc import Mapping, Sequence

from archsearch.campaign.events import CandidateRecord, JobRecord, TrialDone
from hardware_profiles import Estimate
from proxies.trial import ABOVE_BASELINE, TrialResult


def candidate_record(
    proxy: str,
    is_reference: bool = False,
    fingerprint: str = "",
    costs: dict[str, Estimate] | None = None,
    rejected: str | None = None,
) -> CandidateRecord:
    """A candidate; a reference has its proxy's name."""
    return CandidateRecord(
        fingerprint=fingerprint or f"f-{proxy}",
        proxy=proxy,
        name=proxy if is_reference else "",
        origin="reference" if is_reference else "searched",
        genome=None,
        pattern="",
        kinds=(),
        generation=-1 if is_reference else 0,
        costs=costs or {},
        parameters={},
        rejected=rejected,
    )


def trial_done(
    key: str,
    task: str,
    score: float | None,
    validation_loss: float | None,
    cause: str | None = None,
    validation_score: float | None = None,
    replicate: int = 0,
    steps: int = 5,
    learning_rate: float = 0.01,
) -> TrialDone:
    """A trial, failed where there is a cause; one with a validation score is scored above a baseline."""
    above = validation_score is not None
    result = TrialResult(
        status="failed" if cause else "ok",
        cause=cause,
        task=task,
        metric=ABOVE_BASELINE if above else "accuracy",
        steps=steps,
        learning_rate=learning_rate,
        config={},
        seed=replicate,
        fingerprint="",
        data_hash="",
        score=score,
        accuracy=0.25,
        validation_loss=validation_loss,
        validation_score=validation_score,
        baseline="majority" if above else None,
        baseline_loss=2.0 if above else None,
        baseline_accuracy=0.125 if above else None,
        validation_baseline_loss=2.5 if above else None,
    )
    return TrialDone(key=key, id=key, task=task, replicate=replicate, directory=key, result=result)


def job_done(
    proxy: str,
    rung: int,
    scores: Mapping[str, Sequence[float]],
    test_scores: Mapping[str, Sequence[float]] | None = None,
    cause: str | None = None,
) -> JobRecord:
    """A proxy trained at a rung: scores above the baseline by task, one a replicate; on test others if asked.

    `cause` is that of a failure of every trial.
    """
    test = test_scores or scores
    trials = tuple(
        trial_done(f"{proxy}/{rung}/{task}/{replicate}", task, other, 1.0, cause, score, replicate)
        for task in scores
        for replicate, (score, other) in enumerate(zip(scores[task], test[task], strict=True))
    )
    return JobRecord(
        candidate=f"f-{proxy}",
        proxy=proxy,
        rung=rung,
        seconds=1.0,
        startup_seconds=0.0,
        failure=None,
        asked=tuple(trial.key for trial in trials),
        trials=trials,
    )
