"""How well an architecture works, and how fast it truly is: Flax modules, tasks, training, measuring.

    from proxies import Model, TrialConfig, TrialResult, load_weights, run_trial

Names are imported when first used: a driver that knows what a trial is asked and gave needs no jax.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxies.model import Model
    from proxies.training.checkpoints import load_weights
    from proxies.training.trials import run_trial
    from proxies.trial import TrialConfig, TrialResult

PUBLIC = {
    "Model": "proxies.model",
    "TrialConfig": "proxies.trial",
    "TrialResult": "proxies.trial",
    "load_weights": "proxies.training.checkpoints",
    "run_trial": "proxies.training.trials",
}
"""Module of each public name."""

__all__ = ["Model", "TrialConfig", "TrialResult", "load_weights", "run_trial"]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
