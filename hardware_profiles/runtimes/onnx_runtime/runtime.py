"""onnxruntime for the measuring program: how a model is loaded, and how it is calibrated.

The architecture is written as ONNX with cheap weights into a temporary folder and run by onnxruntime's CPU
kernels; the cores that this process may use are its threads. Prefill reads the prompt in pieces of
`prefill_chunk` from an empty state, each with the logits of its last token, since one graph does all.
Decoding is the prompt's last token once more at its position; at further depths states hold nothing but
zeros.

The arithmetic is float32; where weights are int8 or int4, activations are rounded to 8 bits in products with
them. `cache` is that of keys and values; other states are float32.

Peak memory holds onnxruntime's arena, which is on, as is its default: what a prompt took stays with it, so
the peak is what a deployment keeps. Working memory of the head is what the arena takes for logits, and where
weights are integers the embedding once more: the product with it reads a copy that is laid out anew.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from genomes import Architecture
from hardware_profiles.runtimes.onnx_runtime.binding import (
    OnnxRuntimeSession,
    session_options,
    threads,
    versions,
)
from hardware_profiles.runtimes.onnx_runtime.model import check_runs, write_onnx
from hardware_profiles.runtimes.onnx_runtime.stacks import stack
from hardware_profiles.runtimes.table import ONNXRUNTIME
from hardware_profiles.timing.memory import require_bytes, resident_bytes, trim
from hardware_profiles.timing.session import Loaded, Sessions
from hardware_profiles.timing.yardstick import numpy_work
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import Workload


def check(architecture: Architecture, workload: Workload) -> None:
    """Raise `InvalidInput` for what onnxruntime does not run or is not measured in."""
    ONNXRUNTIME.check(workload)
    check_runs(architecture)


def load(architecture: Architecture, workload: Workload, longest: int) -> Loaded:
    """A session of a model with cheap weights, and what was resident before it was loaded."""
    check(architecture, workload)
    require_bytes(weight_and_state_bytes(architecture, workload), int(psutil.virtual_memory().available))
    versions()  # which says what is not installed
    folder = TemporaryDirectory(prefix="archsearch-")
    try:
        path = Path(folder.name) / "model.onnx"
        write_onnx(architecture, path, longest, workload.weight_dtype, workload.cache_dtype)
        trim()
        baseline = resident_bytes()
        session = OnnxRuntimeSession(path, workload.context, workload.prefill_chunk, folder=folder)
    except BaseException:
        folder.cleanup()
        raise
    return Loaded(session, baseline)


def origin() -> dict[str, Any]:
    """By what cases are measured."""
    return {"runtime": "onnxruntime-cpu", "version": versions()["onnxruntime"], "threads": threads()}


ONNX_SESSIONS = Sessions(
    origin=origin, versions=versions, load=load, stack=stack, work=numpy_work, options=session_options
)
"""onnxruntime, as the measuring program asks for it."""
