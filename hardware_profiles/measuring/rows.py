"""Rows of a calibration: what was measured of each case, kept in a file as it comes.

One JSON object a line, with the keys that measuring programs print (`hardware_profiles.timing.stacks`). A
case may be there several times; the steadiest answer counts. An interrupted calibration goes on from here.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Self

from genomes import InvalidInput
from genomes.reading import read_text
from hardware_profiles.cases import DISTURBED, PHASES, UNSTABLE, Case, Measured, Phase
from hardware_profiles.runtimes.base import Runtime
from hardware_profiles.timing.stacks import PROTOCOL


@dataclass(frozen=True)
class Origin:
    """The runtime that measured a case."""

    runtime: str
    """As `provenance.runtime` names it."""
    version: str
    threads: int
    protocol: int = 1
    """How a block's time came out of stacks (`hardware_profiles.timing.stacks.PROTOCOL`); 1 where rows do not
    say."""

    def __str__(self) -> str:
        return (
            f"{self.runtime} {self.version} ({self.threads or 'unknown'} threads, protocol {self.protocol})"
        )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """An origin from its JSON object."""
        protocol = int(values.get("protocol", 1))
        return cls(str(values["runtime"]), str(values["version"]), int(values["threads"]), protocol)


UNKNOWN = Origin("jax-cpu", "unknown", 0)
"""Origin of older rows, which do not say."""


@dataclass(frozen=True)
class CaseAnswer:
    """What a measuring program answered to a case."""

    case: Case
    origin: Origin
    values: Mapping[str, Any]
    """The whole JSON object."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """An answer from its JSON object. Raises `ValueError`, `KeyError` or `TypeError` for any other."""
        origin = values.get("origin")
        case = Case.model_validate(values["case"])
        return cls(case, Origin.read(origin) if origin else UNKNOWN, values)

    @property
    def error(self) -> str | None:
        """Why the case gave no time; None where it did."""
        return self.values.get("error")

    @property
    def yardstick_s(self) -> dict[Phase, float]:
        """Seconds of the yardstick beside the measurement."""
        yardstick: dict[Phase, float] = self.values["yardstick"]
        return yardstick

    @property
    def unrest(self) -> float:
        """The largest spread of the samples; infinite where other programs were in the way, and 0 where there
        is no time: a case that failed fails again."""
        if self.values.get("other_load", 0.0) > DISTURBED:
            return inf
        return max(float(self.values.get(f"{phase}_spread", 0.0)) for phase in PHASES)

    def measured(self, drift: Mapping[Phase, float]) -> Measured:
        """The row that curves are fitted to, with the machine's drift."""
        fields = {key: value for key, value in self.values.items() if key not in ("yardstick", "origin")}
        return Measured.model_validate({**fields, "drift": dict(drift)})


class Rows:
    """The rows of a calibration and their file."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier calibration measured; a torn last line is cut off when the
        next is written.

        Raises `InvalidInput` naming a line that is not a measured case.
        """
        self.path = path
        self._answers: dict[str, CaseAnswer] = {}
        text = read_text(path) if path.exists() else ""
        whole, torn = text[: text.rfind("\n") + 1], text[text.rfind("\n") + 1 :]
        self._torn_bytes = len(torn.encode())
        text = whole if torn.startswith("{") else text  # else it is no row that was being written
        for number, line in enumerate(text.splitlines(), 1):
            try:
                self._keep(CaseAnswer.read(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise InvalidInput(
                    f"{path}: line {number} is not a measured case; remove the file to measure again"
                ) from None

    def check_origin(self, runtime: Runtime) -> None:
        """Raise `InvalidInput` unless this runtime measured all, of one version, on as many threads."""
        self._check(self._answers.values(), runtime)

    def add(self, answer: CaseAnswer, runtime: Runtime) -> None:
        """Write an answer to the file. Raises `InvalidInput` where its origin is another one."""
        self._check([*self._answers.values(), answer], runtime)
        if self._torn_bytes:
            os.truncate(self.path, self.path.stat().st_size - self._torn_bytes)
            self._torn_bytes = 0
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(answer.values) + "\n")
        self._keep(answer)

    def missing(self, cases: Sequence[Case]) -> list[Case]:
        """Cases without an answer."""
        return [case for case in cases if _key(case) not in self._answers]

    def unstable(self, cases: Sequence[Case]) -> list[Case]:
        """Cases whose samples differ too much, or were disturbed."""
        return [case for case in cases if self._answers[_key(case)].unrest > UNSTABLE]

    def answers(self, cases: Sequence[Case] | None = None) -> list[CaseAnswer]:
        """The steadiest answer to each of the cases, by default of all, in the order of time."""
        if cases is None:
            return list(self._answers.values())
        wanted = set(map(_key, cases))
        return [answer for key, answer in self._answers.items() if key in wanted]

    def _keep(self, answer: CaseAnswer) -> None:
        """Make an answer the last in time, unless there is a steadier one of the same case."""
        key = _key(answer.case)
        if key not in self._answers or answer.unrest < self._answers[key].unrest:
            self._answers.pop(key, None)
            self._answers[key] = answer

    def _check(self, answers: Iterable[CaseAnswer], runtime: Runtime) -> None:
        origins = {answer.origin for answer in answers}
        foreign = [
            each
            for each in origins
            if not each.runtime.startswith(runtime.provenance) or each.protocol != PROTOCOL
        ]
        if len(origins) > 1 or foreign:
            raise InvalidInput(
                f"{self.path}: rows of {' and '.join(sorted(map(str, origins)))}, asked for {runtime.name} "
                f"(protocol {PROTOCOL}); rows of two runtimes, versions, numbers of threads or protocols are "
                "never mixed: give another --out, or remove the file to measure again"
            )


def _key(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json"), sort_keys=True)
