"""What the report derives from results: who stands where, failures by cause, shares of time."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from archsearch.campaign.objectives import QUALITY, Objective
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


def stopped_early(results: Results) -> list[Candidate]:
    """Candidates whose training ended at a rung before the last, the furthest first, best quality first."""
    early = [c for c in results.candidates if c.status == "evaluated" and not at_last_rung(c, results)]
    return sorted(early, key=lambda c: (-c.rung, -c.objectives.get(QUALITY, -math.inf)))


def steps_of(candidate: Candidate, results: Results) -> int | None:
    """Training steps of the last rung that it finished; None where there was none."""
    return results.rungs[candidate.rung] if 0 <= candidate.rung < len(results.rungs) else None


def trained_after_search(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates that were trained anew after the search, failed ones included."""
    return [candidate for candidate in candidates if candidate.final is not None]


def seeds(candidates: Iterable[Candidate]) -> int:
    """Most fresh seeds that a task of one of them was trained with; 0 without any."""
    counts = [n for c in candidates if c.final is not None for n in c.final.replicates.values()]
    return max(counts, default=0)


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
