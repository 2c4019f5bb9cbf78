"""llama.cpp for the measuring program: how a model is loaded, and how it is calibrated.

The architecture is written as GGUF with cheap weights into a temporary folder and loaded into memory (no
mmap); the CPUs that this process may use are its threads. Prefill reads the prompt in micro-batches of
`prefill_chunk`. Decoding is as `binding` says: the prompt's last token once more, or, where a recurrence
cannot take it back, one of up to 32 tokens behind the prompt.

The arithmetic is llama.cpp's: activations are float32, and are rounded to blocks of 8 bits where a matrix is
stored in integers. `cache` is that of keys and values; states of recurrences are float32. Working memory
of the head is the list of its tokens, and the embedding once more where it is the head too, since llama.cpp
regroups integers for products.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from genomes import Architecture, InvalidInput, Operator, SwiGLU
from hardware_profiles.runtimes.base import usable_threads
from hardware_profiles.runtimes.llama_cpp.binding import LlamaCppSession, require_binding, versions
from hardware_profiles.runtimes.llama_cpp.classes import used
from hardware_profiles.runtimes.llama_cpp.gguf import write_gguf
from hardware_profiles.runtimes.llama_cpp.stacks import stack
from hardware_profiles.runtimes.table import LLAMA_CPP
from hardware_profiles.runtimes.weights import BLOCK
from hardware_profiles.timing.memory import require_bytes, resident_bytes, trim
from hardware_profiles.timing.session import Loaded, Sessions
from hardware_profiles.timing.yardstick import numpy_work
from hardware_profiles.work import weight_and_state_bytes
from hardware_profiles.workload import Workload


def check(architecture: Architecture, workload: Workload) -> None:
    """Raise `InvalidInput` for what llama.cpp is not measured in, and heads that its cache cannot hold."""
    LLAMA_CPP.check(workload)
    for index, block in used(architecture):
        size = getattr(block, "head_dim", BLOCK) if block.name == "attention" else BLOCK
        if workload.cache_dtype == "int8" and size % BLOCK:
            raise InvalidInput(
                f"cache = 'int8', but blocks[{index}] (attention) has head_dim = {size}; llama.cpp stores "
                f"keys and values in blocks of {BLOCK}"
            )


def load(architecture: Architecture, workload: Workload, longest: int) -> Loaded:
    """A session of a model with cheap weights, and what was resident before it was loaded."""
    del longest  # files claim more than any context
    check(architecture, workload)
    require_bytes(weight_and_state_bytes(architecture, workload), int(psutil.virtual_memory().available))
    require_binding()
    folder = TemporaryDirectory(prefix="archsearch-")
    try:
        path = Path(folder.name) / "model.gguf"
        write_gguf(architecture, path, workload.weight_dtype)
        trim()
        baseline = resident_bytes()
        attends = any(block.name == "attention" for block in architecture.blocks)
        cache = workload.cache_dtype if attends else "float32"  # which llama.cpp would check all the same
        session = LlamaCppSession(path, workload.context, workload.prefill_chunk, cache, folder=folder)
    except BaseException:
        folder.cleanup()
        raise
    return Loaded(session, baseline)


def origin() -> dict[str, Any]:
    """By what cases are measured."""
    return {"runtime": "llama.cpp-cpu", "version": versions()["llama.cpp"], "threads": usable_threads()}


def _beside(block: Operator) -> bool:
    return isinstance(block, SwiGLU)


LLAMA_CPP_SESSIONS = Sessions(
    origin=origin, versions=versions, load=load, stack=stack, work=numpy_work, beside=_beside
)
"""llama.cpp, as the measuring program asks for it."""
