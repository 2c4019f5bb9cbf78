"""Measuring a whole model in llama.cpp: time to first token, time of one decoded token, peak memory.

`python -m hardware_profiles.runtimes.llama_cpp.runtime` answers the same request as `proxies.runtime.runtime`
with the same keys, in a fresh process without jax. The architecture is written as GGUF with cheap weights
into a temporary folder and loaded into memory (no mmap); the CPUs that this process may use are its threads.

Prefill reads the prompt in micro-batches of `prefill_chunk`, the memory cleared before, and ends with the
logits of its last token. Decoding is one token at depth `context`, as `binding` says: the prompt's last token
once more, or, where a recurrence cannot take it back, one of up to 32 tokens behind the prompt.

The arithmetic is llama.cpp's: activations are float32, and are rounded to blocks of 8 bits where a matrix is
stored in int8 or int4. `cache` is that of keys and values; states of recurrences are float32.

Peak memory is weights, memory of the sequence and buffers, resident at the highest while one prompt is read
and one token decoded, less what was resident before the model was loaded. Reading the file is left out where
Linux lets the mark be reset.
"""

import platform
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from genomes import Architecture, InvalidInput, read_architecture
from hardware_profiles import Workload
from hardware_profiles.runtimes.llama_cpp.binding import (
    CACHE_TYPES,
    Session,
    require_binding,
    threads,
    versions,
)
from hardware_profiles.runtimes.llama_cpp.classes import used
from hardware_profiles.runtimes.llama_cpp.gguf import BLOCK, FILE_TYPES, write_gguf
from hardware_profiles.timing.memory import require_bytes, resident_bytes, trim
from hardware_profiles.timing.session import measured
from hardware_profiles.timing.worker import Request, answer
from hardware_profiles.work import weight_and_state_bytes

DTYPE = "float32"


def check(architecture: Architecture, workload: Workload) -> None:
    """Raise `InvalidInput` for what llama.cpp does not run or is not measured in."""
    asked = (
        ("dtype", workload.dtype, (DTYPE,)),
        ("weights", workload.weight_dtype, tuple(FILE_TYPES)),
        ("cache", workload.cache_dtype, tuple(CACHE_TYPES)),
        ("batch", workload.batch, (1,)),
    )
    for name, value, legal in asked:
        if value not in legal:
            raise InvalidInput(f"{name} = {value!r}; llama.cpp is measured with {', '.join(map(str, legal))}")
    for index, block in used(architecture):
        size = getattr(block, "head_dim", BLOCK) if block.name == "attention" else BLOCK
        if workload.cache_dtype == "int8" and size % BLOCK:
            raise InvalidInput(
                f"cache = 'int8', but blocks[{index}] (attention) has head_dim = {size}; llama.cpp stores "
                f"keys and values in blocks of {BLOCK}"
            )


def load(architecture: Architecture, workload: Workload) -> tuple[Session, int]:
    """A session of a model with cheap weights, and what was resident before it was loaded, in bytes.

    Raises `InvalidInput` where llama.cpp does not run the architecture, `RuntimeError` where it does not fit.
    """
    check(architecture, workload)
    require_bytes(weight_and_state_bytes(architecture, workload), int(psutil.virtual_memory().available))
    require_binding()
    with tempfile.TemporaryDirectory(prefix="archsearch-") as folder:
        path = Path(folder) / "model.gguf"
        write_gguf(architecture, path, workload.weight_dtype)
        trim()
        before = resident_bytes()
        attends = any(block.name == "attention" for block in architecture.blocks)
        cache = workload.cache_dtype if attends else DTYPE  # which llama.cpp would check all the same
        return Session(path, workload.context, workload.prefill_chunk, cache), before


def measure(request: Request) -> dict[str, Any]:
    """Measure in this process, which should be fresh; the keys are those of
    `proxies.runtime.runtime.measure`.

    Raises `InvalidInput` for what llama.cpp does not run, `RuntimeError` where the model does not fit or its
    logits are not finite.
    """
    architecture = read_architecture(request.architecture)
    workload = Workload(**request.model_dump(exclude={"architecture", "depths"}))
    if request.depths:
        raise InvalidInput(
            f"depths = {request.depths}; llama.cpp is measured at one depth, that of the context: ask for "
            "another context"
        )
    started = perf_counter()
    session, baseline = load(architecture, workload)
    preparation_s = perf_counter() - started
    return {
        **measured(session, baseline),
        "preparation_s": preparation_s,
        "threads": threads(),
        "versions": {"python": platform.python_version(), **versions()},
    }


if __name__ == "__main__":
    sys.exit(answer(measure))
