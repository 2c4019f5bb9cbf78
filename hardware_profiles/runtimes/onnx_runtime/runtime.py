"""Measuring a whole model in onnxruntime: time to first token, time of one decoded token, peak memory.

`python -m hardware_profiles.runtimes.onnx_runtime.runtime` answers the same request as
`proxies.runtime.runtime` with the same keys, in a fresh process without jax. The architecture is written as
ONNX with cheap weights into a temporary folder and run by onnxruntime's CPU kernels; the cores that this
process may use are its threads.

Prefill reads the prompt in pieces of `prefill_chunk` from an empty state, each with the logits of its last
token, since one graph does all. Decoding is the prompt's last token once more at its position; at further
depths states hold nothing but zeros.

The arithmetic is float32; where weights are int8 or int4, activations are rounded to 8 bits in products with
them. `cache` is that of keys and values; other states are float32.

Peak memory is weights, states and onnxruntime's arena, resident at the highest while one prompt is read and
one token decoded, less what was resident before the model was loaded. The arena is on, as is onnxruntime's
default: what a prompt took stays with it, so the peak is what a deployment keeps. Loading is left out where
Linux lets the mark be reset.
"""

import platform
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from genomes import Architecture, InvalidInput, read_architecture
from hardware_profiles import Workload
from hardware_profiles.runtimes.onnx_runtime.binding import Session, session_options, threads, versions
from hardware_profiles.runtimes.onnx_runtime.model import CACHE_TYPES, WEIGHT_TYPES, check_runs, write_onnx
from hardware_profiles.timing.memory import require_bytes, resident_bytes, trim
from hardware_profiles.timing.session import measured
from hardware_profiles.timing.worker import Request, answer
from hardware_profiles.work import weight_and_state_bytes

DTYPE = "float32"


def check(architecture: Architecture, workload: Workload) -> None:
    """Raise `InvalidInput` for what onnxruntime does not run or is not measured in."""
    asked = (
        ("dtype", workload.dtype, (DTYPE,)),
        ("weights", workload.weight_dtype, WEIGHT_TYPES),
        ("cache", workload.cache_dtype, CACHE_TYPES),
        ("batch", workload.batch, (1,)),
    )
    for name, value, legal in asked:
        if value not in legal:
            raise InvalidInput(
                f"{name} = {value!r}; onnxruntime is measured with {', '.join(map(str, legal))}"
            )
    check_runs(architecture)


def load(architecture: Architecture, workload: Workload, longest: int | None = None) -> tuple[Session, int]:
    """A session of a model with cheap weights, and what was resident before it was loaded, in bytes.

    Its positions reach to `longest`, the context by default. Raises `InvalidInput` where onnxruntime does not
    run the architecture, `RuntimeError` where it does not fit.
    """
    check(architecture, workload)
    require_bytes(weight_and_state_bytes(architecture, workload), int(psutil.virtual_memory().available))
    versions()  # which says what is not installed
    with tempfile.TemporaryDirectory(prefix="archsearch-") as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(
            architecture, path, longest or workload.context, workload.weight_dtype, workload.cache_dtype
        )
        trim()
        before = resident_bytes()
        session = Session(path, workload.context, workload.prefill_chunk)
        return session, before


def measure(request: Request) -> dict[str, Any]:
    """Measure in this process, which should be fresh; the keys are those of
    `proxies.runtime.runtime.measure`.

    Raises `InvalidInput` for what onnxruntime does not run, `RuntimeError` where the model does not fit or
    its logits are not finite.
    """
    architecture = read_architecture(request.architecture)
    workload = Workload(**request.model_dump(exclude={"architecture", "depths"}))
    started = perf_counter()
    session, baseline = load(architecture, workload, max([workload.context, *request.depths]))
    preparation_s = perf_counter() - started
    deeper = {depth: partial(session.at_depth, depth) for depth in request.depths}
    return {
        **measured(session, baseline, deeper),
        "preparation_s": preparation_s,
        "threads": threads(),
        "versions": {"python": platform.python_version(), **versions()},
        "options": session_options(),
    }


if __name__ == "__main__":
    sys.exit(answer(measure))
