"""jax for the measuring program: how a model is loaded, and how it is calibrated.

On accelerators the allocator's own peak counts, creation of the weights included. On a CPU, what was resident
when jax had started and the programs were compiled is taken off; creating the weights is left out where Linux
lets the mark be reset, and so is what the C library's allocator keeps when calls are repeated, tens of
megabytes.

A stack of no blocks has one that does nothing, so the head's working memory is that of its program.
"""

import os
from importlib.metadata import version
from typing import Any

import jax

from genomes import Architecture, Operator
from genomes.operators import Skip, SwiGLU
from hardware_profiles.runtimes.base import usable_threads
from hardware_profiles.runtimes.table import JAX
from hardware_profiles.timing.memory import peak_bytes, resident_bytes, trim
from hardware_profiles.timing.power import Counter, nvml_counter
from hardware_profiles.timing.session import Loaded, PeakMemory, Session, Sessions
from hardware_profiles.workload import Workload
from proxies.runtime.session import JaxSession
from proxies.runtime.yardstick import jax_work


def load(architecture: Architecture, workload: Workload, longest: int) -> Loaded:
    """A session of a model with cheap weights, and what was resident before they were made."""
    del longest  # a program at another depth has a state of its own
    JAX.check(workload)
    session = JaxSession(architecture, workload)
    trim()
    baseline = resident_bytes()
    session.load()
    return Loaded(session, baseline)


def stack(block: Operator | None, width: int, vocab_size: int, copies: int) -> Architecture:
    """So many of a block; without one, a single block that does nothing."""
    if block is not None:
        return Architecture(width=width, vocab_size=vocab_size, blocks=(block,) * copies)
    some = Architecture(width=width, vocab_size=vocab_size, blocks=(SwiGLU(hidden=1),))
    return some.model_copy(update={"blocks": (Skip(),)})  # which nobody may ask for


def threads() -> int:
    """Threads of XLA's CPU client: its environment variables, else the CPUs that this process may use."""
    for name in ("PJRT_NPROC", "NPROC"):
        if (value := os.environ.get(name, "")).isdecimal():
            return int(value)
    return usable_threads()


def origin() -> dict[str, Any]:
    """By what cases are measured."""
    runtime = f"jax-{jax.devices()[0].platform}"
    return {"runtime": runtime, "version": version("jaxlib"), "threads": threads()}


def versions() -> dict[str, str]:
    """Versions of jax, its library and flax."""
    return {name: version(name) for name in ("jax", "jaxlib", "flax")}


def device() -> dict[str, str]:
    """The device that jax computes on."""
    first = jax.devices()[0]
    return {"platform": first.platform, "kind": first.device_kind}


def peak(baseline: int, reset: bool) -> PeakMemory:
    """Peak memory: the allocator's on an accelerator, else what was resident beyond the baseline."""
    first = jax.devices()[0]
    if first.platform != "cpu" and (stats := first.memory_stats()):
        counts = "the allocator's peak, creation of the weights included"
        return PeakMemory(int(stats["peak_bytes_in_use"]), counts)
    counts = "resident memory while running, less that of jax and the compiled programs"
    if not reset:
        counts = counts.replace(" while running", "") + "; compiling and creating weights included"
    return PeakMemory(peak_bytes(reset) - baseline, counts)


def counter() -> tuple[Counter | None, str]:
    """The energy counter of an NVIDIA board, else why there is none."""
    platform = jax.devices()[0].platform
    return nvml_counter() if platform in ("gpu", "cuda") else (None, f"not measured: jax runs on {platform}")


def _working_bytes(session: Session) -> int:
    assert isinstance(session, JaxSession)
    return session.working_bytes


JAX_SESSIONS = Sessions(
    origin=origin,
    versions=versions,
    load=load,
    stack=stack,
    work=jax_work,
    empty_stacks=True,
    peak=peak,
    working_bytes=_working_bytes,
    counter=counter,
    device=device,
)
"""jax, as the measuring program asks for it."""
