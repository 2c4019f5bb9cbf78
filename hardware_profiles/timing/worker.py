"""The measuring program: a fresh process that measures a whole model, or the cases of a calibration.

    python -m hardware_profiles.timing.worker proxies.runtime.runtime:JAX_SESSIONS model < request.json
    python -m hardware_profiles.timing.worker proxies.runtime.runtime:JAX_SESSIONS cases < cases.json

One process a measurement, so that neither another program's threads nor its memory are in the way. The first
argument names the runtime's `Sessions`, imported only here. A `Request` as JSON on stdin is answered by one
JSON object; `{"cases": [...]}`, each with the keys of `hardware_profiles.cases.Case`, by one line a case, in
the process of a whole operator, so that compilers and allocators have one history. What fails is answered by
`{"error": ..., "kind": "input" | "failed"}` and exit code 2 or 1.

Prefill reads the prompt in chunks, as serving does, and ends with the logits of the last token. Decoding is
one token at depth `context`; it sees `context` tokens, itself included. Peak memory is that of running alone:
at its highest while one prompt is read and one token decoded, less what was resident before the weights were
made (freed memory given back first). `memory_counts` in the answer says what it counts.
"""

import json
import platform
import sys
from contextlib import redirect_stdout
from time import perf_counter
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genomes import CacheDtype, WeightDtype, read_architecture
from genomes.errors import InvalidInput, describe
from hardware_profiles.timing import drift
from hardware_profiles.timing.memory import other_load
from hardware_profiles.timing.parent import end_with_parent
from hardware_profiles.timing.power import mean_power
from hardware_profiles.timing.sampling import (
    FEWEST_PREFILLS,
    FEWEST_STEPS,
    SETTLED,
    WARM_UP_STEPS,
    sample,
    variation,
)
from hardware_profiles.timing.session import Sessions, find_sessions, run_once
from hardware_profiles.timing.stacks import measure_cases
from hardware_profiles.timing.yardstick import Yardstick
from hardware_profiles.workload import Dtype, HeadDtype, Workload


class Request(BaseModel):
    """What is to be measured; plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    architecture: dict[str, Any] = Field(description="the object of an architecture file")
    context: int = Field(ge=1, description="tokens of the prompt, and depth of the decoded token")
    batch: int = Field(ge=1)
    dtype: Dtype
    weights: WeightDtype | None = Field(default=None, description="what matrices are stored in; null: dtype")
    cache: CacheDtype | None = Field(default=None, description="what states are stored in; null: dtype")
    head: HeadDtype | None = Field(
        default=None, description="what the table of the logits is stored in; null: as matrices"
    )
    prefill_chunk: int = Field(ge=1, description="most tokens read at once")
    depths: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="further depths at which a token is decoded"
    )

    @property
    def workload(self) -> Workload:
        """What is asked of the machine."""
        return Workload(**self.model_dump(exclude={"architecture", "depths"}))


def measure_model(request: Request, sessions: Sessions) -> dict[str, Any]:
    """Measure in this process, which should be fresh.

    The answer holds the samples `prefill_latency_s` and `decode_latency_s`, the `yardstick` around them,
    `peak_memory_bytes` with `memory_counts`, whether the samples `settled`, what they depend on, and, where
    the runtime has a word on it, the mean `power_w` of each phase with what it is in words (`energy`).

    Raises `InvalidInput` for what the runtime does not run, `RuntimeError` where the model does not fit or
    its logits are not finite.
    """
    architecture, workload = read_architecture(request.architecture), request.workload
    started = perf_counter()
    session, baseline = sessions.load(architecture, workload, max([workload.context, *request.depths]))
    preparation_s = perf_counter() - started
    peak = sessions.peak(baseline, run_once(session))
    counter, energy = sessions.counter() if sessions.counter is not None else (None, None)
    yardstick = Yardstick(sessions.work())
    before = yardstick.read()
    with other_load() as others:
        with mean_power(counter) as prefill_w:
            prefill = sample(session.prefill, 0, FEWEST_PREFILLS, before=session.clear)
        with mean_power(counter) as decode_w:
            decode = sample(session.decode, WARM_UP_STEPS, FEWEST_STEPS, before=session.step_back)
        logits = session.logits()  # of the full state; that at other depths holds zeros
        by_depth = {
            str(depth): sample(session.at_depth(depth), WARM_UP_STEPS, FEWEST_STEPS)
            for depth in request.depths
        }
    session.close()  # whose threads may go on spinning, onnxruntime's for a tenth of a second
    pace = drift.between(before, yardstick.read())
    if not np.isfinite(logits).all():
        raise RuntimeError(f"the logits are not finite in {request.dtype} with random weights")
    return {
        "prefill_latency_s": prefill,
        "decode_latency_s": decode,
        "decode_latency_by_depth_s": by_depth,
        "yardstick": pace,
        "settled": max(variation(prefill), variation(decode)) <= SETTLED,
        "peak_memory_bytes": peak.bytes,
        "memory_counts": peak.counts,
        "other_load": others[0],
        "preparation_s": preparation_s,
        "device": sessions.device(),
        "threads": sessions.origin()["threads"],
        "versions": {"python": platform.python_version(), **sessions.versions()},
        **({"power_w": {"prefill": prefill_w[0], "decode": decode_w[0]}, "energy": energy} if energy else {}),
        **({"options": sessions.options()} if sessions.options is not None else {}),
    }


def answer_request(sessions: Sessions) -> int:
    """Answer the request on stdin, and give the exit code; whatever else is printed goes to stderr."""
    answer: dict[str, Any]
    with redirect_stdout(sys.stderr):
        try:
            answer, code = measure_model(Request.model_validate_json(sys.stdin.read()), sessions), 0
        except ValidationError as error:
            answer, code = {"error": f"request: {describe(error)}", "kind": "input"}, 2
        except InvalidInput as error:
            answer, code = {"error": str(error), "kind": "input"}, 2
        except (RuntimeError, MemoryError) as error:
            answer, code = {"error": str(error) or type(error).__name__, "kind": "failed"}, 1
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")
    return code


def answer_cases(sessions: Sessions) -> int:
    """Answer the cases on stdin, a line of JSON each; whatever else is printed goes to stderr."""
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        for case, answer in measure_cases(json.load(sys.stdin)["cases"], sessions):
            out.write(json.dumps({"case": case, **answer}) + "\n")
            out.flush()
    return 0


PROGRAMS = {"model": answer_request, "cases": answer_cases}


def main(name: str, program: str) -> int:
    """Measure with the runtime of that name; gives the exit code."""
    end_with_parent()
    return PROGRAMS[program](find_sessions(name))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
