"""What the report derives from results: who dominates whom, failures by cause, shares of time."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from archsearch.campaign import dominance
from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Candidate, Results
from genomes.stored import LEGAL

PHASES = ("training", "compilation", "evaluation", "start-up", "other", "idle")
"""From useful to lost; the order of the bar."""

_NUMBER = re.compile(r"\d[\d.,_]*(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class PhaseTime:
    """The workers' time in one phase."""

    phase: str
    seconds: float
    share: float
    """Share of the workers' whole time, from 0 to 1."""


@dataclass(frozen=True)
class FailureGroup:
    """Failures that differ in nothing but numbers."""

    what: str
    """`candidate failed`, `candidate rejected` or `trial failed`."""
    cause: str
    """The cause of the first of them."""
    ids: tuple[str, ...]


def winners(results: Results) -> list[Candidate]:
    """The candidates of the front, in its order."""
    by_id = {candidate.id: candidate for candidate in results.candidates}
    return [by_id[id] for id in results.front]


def references(results: Results) -> list[Candidate]:
    """The reference layouts, in the order in which they were judged."""
    return [candidate for candidate in results.candidates if candidate.origin == "reference"]


def value(candidate: Candidate, objective: Objective) -> float | None:
    """The candidate's finite value of an objective, if it has one."""
    number = candidate.objectives.get(objective.name)
    return number if number is not None and math.isfinite(number) else None


def values(candidates: Iterable[Candidate], objective: Objective) -> list[float]:
    """All finite values of an objective."""
    return [number for c in candidates if (number := value(c, objective)) is not None]


def at_last_rung(candidate: Candidate, results: Results) -> bool:
    """Whether quality was read at the last rung, so that it may be compared with the front's."""
    return candidate.status == "evaluated" and candidate.rung == len(results.rungs) - 1


def dominates(first: Candidate, second: Candidate, objectives: Iterable[Objective]) -> bool:
    """Whether `first` surely beats `second`, as for the front; not where a value is missing."""
    asked = list(objectives)
    pairs = [(value(first, objective), value(second, objective)) for objective in asked]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(known) < len(asked):
        return False
    return dominance.dominates([a for a, _ in known], [b for _, b in known], asked)


def stored_in(results: Results) -> list[str]:
    """`weights` and `cache`, those that some candidate is stored in a type of its own."""
    return [what for what in LEGAL if any(what in candidate.stored for candidate in results.candidates)]


def score_names(results: Results) -> list[str]:
    """Names of all scores, in the order of the campaign's first candidates."""
    return list(dict.fromkeys(name for candidate in results.candidates for name in candidate.signals))


def task_of(score: str) -> str:
    """The task of a score's name `score[TASK]`."""
    return score.removeprefix("score[").removesuffix("]")


def failure_groups(results: Results) -> list[FailureGroup]:
    """Failed and rejected candidates and failed trials by cause, the most frequent first."""
    groups: dict[tuple[str, str], tuple[str, list[str]]] = {}

    def add(what: str, cause: str | None, id: str) -> None:
        cause = (cause or "").strip() or "no cause recorded"
        groups.setdefault((what, _NUMBER.sub("#", cause)), (cause, []))[1].append(id)

    for candidate in results.candidates:
        if candidate.status != "evaluated":
            add(f"candidate {candidate.status}", candidate.cause, candidate.id)
    for trial in results.trials:
        if trial.status == "failed":
            add("trial failed", trial.result.cause, trial.candidate[:8])
    failures = [FailureGroup(what, cause, tuple(ids)) for (what, _), (cause, ids) in groups.items()]
    return sorted(failures, key=lambda group: (group.what == "trial failed", -len(group.ids)))


def phase_times(results: Results) -> list[PhaseTime]:
    """The workers' time by phase, training first and idle last; empty where none was recorded."""
    seconds = {phase: s for phase, s in results.worker_time.items() if math.isfinite(s) and s > 0}
    total = sum(seconds.values())
    known = [phase for phase in PHASES if phase in seconds]
    unknown = sorted(seconds.keys() - set(PHASES))
    order = [*(p for p in known if p != "idle"), *unknown, *(p for p in known if p == "idle")]
    return [PhaseTime(phase, seconds[phase], seconds[phase] / total) for phase in order]
