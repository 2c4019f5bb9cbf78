"""Made-up events."""

from archsearch.campaign.events import CandidateRecord, TrialDone
from hardware_profiles import Estimate
from proxies.trial import TrialResult


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
    key: str, task: str, score: float | None, validation_loss: float | None, cause: str | None = None
) -> TrialDone:
    """A trial, failed where there is a cause."""
    result = TrialResult(
        status="failed" if cause else "ok",
        cause=cause,
        task=task,
        metric="accuracy",
        steps=5,
        learning_rate=0.01,
        config={},
        seed=0,
        fingerprint="",
        data_hash="",
        score=score,
        validation_loss=validation_loss,
    )
    return TrialDone(key=key, id=key, task=task, replicate=0, directory=key, result=result)
