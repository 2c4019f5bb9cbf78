"""What a trial is asked to do and what it gave; free of jax, so that a driver knows both."""

import hashlib
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from proxies.schedule import Schedule
from proxies.tasks import Task, make_task

TRAINING_VERSION = 3
"""Part of a trial's identity: raised whenever the same trial could give another result."""

PHASES = ("training", "compilation", "evaluation", "other")
"""Names of the parts of a trial's wall time."""

ABOVE_BASELINE = "above_baseline"
"""Metric of scores that are `1 - loss / baseline loss`; older results hold `accuracy` or `bits_per_byte`."""
MOST_STEPS = 100_000_000
"""Steps of the longest training."""


class TrialConfig(BaseModel):
    """How to train and judge, on what; plain values."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: str
    settings: dict[str, Any] = Field(default_factory=dict, description="the task's own settings")
    data_seed: int = Field(
        default=0, ge=0, description="of the training stream; trials that are compared share it"
    )
    length: int = Field(default=64, ge=2, le=1_048_576, description="tokens of a sequence")
    batch: int = Field(default=16, ge=1, le=65_536, description="sequences of a step")
    steps: int = Field(ge=2, le=MOST_STEPS)
    learning_rate: float = Field(gt=0, le=1, description="of the constant phase")
    warmup_steps: int = Field(default=10, ge=0)
    decay_fraction: float = Field(default=0.2, gt=0, lt=1, description="share of the steps that decay")
    weight_decay: float = Field(default=0.1, ge=0)
    evaluation_batches: int = Field(
        default=8, ge=1, le=100_000, description="batches of validation, and of test"
    )

    @model_validator(mode="after")
    def _decays(self) -> "TrialConfig":
        if self.schedule.decay_start == self.steps:
            raise ValueError(
                f"decay_fraction = {self.decay_fraction} of steps = {self.steps} rounds to no step; legal: "
                "one step or more; take more steps or a larger decay_fraction"
            )
        return self

    @property
    def schedule(self) -> Schedule:
        """The learning-rate schedule."""
        return Schedule(self.steps, self.warmup_steps, self.decay_fraction)

    def make_task(self) -> Task:
        """The task, its data at hand. Raises `InvalidInput`."""
        return make_task(self.task, self.length, self.settings)


@dataclass(frozen=True)
class TrialResult:
    """Outcome of a trial. Losses are nats a judged token.

    A score is 1 - loss / baseline_loss: 1 at perfect, 0 at the best trivial answer on the same batches
    (`proxies.tasks.baselines`). `loss`, `accuracy`, `score` and `baseline...` are of the test stream. Results
    of versions before 3 have the metric "accuracy" or "bits_per_byte" (negated), which `score` then is.
    """

    status: Literal["ok", "failed"]
    cause: str | None
    task: str
    metric: str
    steps: int
    learning_rate: float
    config: dict[str, Any]
    seed: int
    fingerprint: str
    data_hash: str
    loss: float | None = None
    accuracy: float | None = None
    score: float | None = None
    baseline: str | None = None
    """Name of the best trivial answer."""
    baseline_loss: float | None = None
    baseline_accuracy: float | None = None
    bits_per_byte: float | None = None
    """The loss in bits a byte, for text."""
    load_balance: float | None = None
    """Mean load-balancing loss of the mixtures of experts: 1 when balanced, 0 without any; None where scored
    token by token."""
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_score: float | None = None
    validation_baseline_loss: float | None = None
    resumed_from_step: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time in seconds by phase: training, compilation, evaluation, other."""
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, also by an older version; a number that is not finite counts as none."""
        plain = {name: _none_for_lost(data[name]) for name in data if name in cls.__dataclass_fields__}
        return cls(**plain)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values by field."""
        return asdict(self)


def _none_for_lost(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    names = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def derive_seed(campaign_seed: int, name: str, replicate: int) -> int:
    """A seed as a function of campaign seed, a name and replicate alone.

    The name is the proxy's fingerprint for weights, and what they are for data.
    """
    digest = hashlib.sha256(f"{campaign_seed}/{name}/{replicate}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def best_index(validation_losses: Sequence[float | None]) -> int:
    """Index of the lowest loss, the first of equals: which learning rate to keep; None (failed) is last."""
    losses = [math.inf if loss is None else loss for loss in validation_losses]
    return losses.index(min(losses))
