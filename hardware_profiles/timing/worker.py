"""What a fresh process is asked to measure, and how it answers; the same for every runtime."""

import ctypes
import json
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genomes import CacheDtype, WeightDtype
from genomes.errors import InvalidInput, describe
from hardware_profiles.workload import Dtype


class Request(BaseModel):
    """What is to be measured; plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    architecture: dict[str, Any] = Field(description="the object of an architecture file")
    context: int = Field(ge=1, description="tokens of the prompt, and depth of the decoded token")
    batch: int = Field(ge=1)
    dtype: Dtype
    weights: WeightDtype | None = Field(default=None, description="what matrices are stored in; null: dtype")
    cache: CacheDtype | None = Field(default=None, description="what states are stored in; null: dtype")
    prefill_chunk: int = Field(ge=1, description="most tokens read at once")
    depths: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="further depths at which a token is decoded"
    )


_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of Linux's prctl(2)."""


def end_with_parent() -> None:
    """Where Linux can, have this process killed when the one that waits for its answer is."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


def answer(measure: Callable[[Request], dict[str, Any]]) -> int:
    """Answer the request on stdin, and give the exit code; whatever else is printed goes to stderr."""
    found: dict[str, Any]
    end_with_parent()
    with redirect_stdout(sys.stderr):
        try:
            found, code = measure(Request.model_validate_json(sys.stdin.read())), 0
        except ValidationError as error:
            found, code = {"error": f"request: {describe(error)}", "kind": "input"}, 2
        except InvalidInput as error:
            found, code = {"error": str(error), "kind": "input"}, 2
        except (RuntimeError, MemoryError) as error:
            found, code = {"error": str(error) or type(error).__name__, "kind": "failed"}, 1
    json.dump(found, sys.stdout)
    sys.stdout.write("\n")
    return code


def answer_cases(measure: Callable[[list[dict[str, Any]]], Any]) -> int:
    """Answer the cases on stdin, a line of JSON each; whatever else is printed goes to stderr.

    `measure` yields a case and what was found.
    """
    out = sys.stdout
    end_with_parent()
    with redirect_stdout(sys.stderr):
        for case, found in measure(json.load(sys.stdin)["cases"]):
            out.write(json.dumps({"case": case, **found}) + "\n")
            out.flush()
    return 0
