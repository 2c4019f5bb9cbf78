"""Measuring a whole model on this machine: time to first token, time of one decoded token, peak memory.

`python -m proxies.measuring` reads a `Request` as JSON from stdin and prints the measurement as JSON: one
fresh process a measurement, so that neither another program's threads nor its memory are in the way. Weights
are cheap pseudo-random numbers at full size: speed does not depend on their values, only on their being
normal numbers. A failure prints `{"error": ..., "kind": "input" | "failed"}` and exits with 2 or 1.

Prefill reads the prompt in chunks, as serving does, and ends with the logits of the last token. Decoding is
one token at depth `context`: it stands at the last position, so that the state is full and the token sees
`context` tokens, itself included; repeating it writes the same slot again. State is donated.

Peak memory is that of running alone, the weights, state and activations of the model: resident memory at its
highest while one prompt is read and one token decoded, less what was resident when jax had started and the
programs were compiled (freed memory given back first). Creating the weights is left out where Linux lets the
mark be reset, and so is what the C library's allocator keeps when calls are repeated, tens of megabytes; on
accelerators the allocator's own peak counts. `memory_counts` in the answer says which.
"""

import contextlib
import ctypes
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genomes import Architecture, InvalidInput, read_architecture
from genomes.errors import describe
from proxies import quantised
from proxies.axes import Array
from proxies.model import Model
from proxies.yardstick import Yardstick

WARM_UP_STEPS = 8
FEWEST_STEPS = 64
FEWEST_PREFILLS = 3
LEAST_SECONDS = 0.5
MOST_SECONDS = 5.0
"""A figure that has not settled after this time is given as it is; a slow one may rest on one sample."""
SETTLED = 0.05
"""Variation (see `variation`) at which sampling stops."""
PARTS = 8
"""Consecutive parts of the samples whose medians are compared."""

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


class Request(BaseModel):
    """What is to be measured; plain JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    architecture: dict[str, Any] = Field(description="the object of an architecture file")
    context: int = Field(ge=1, description="tokens of the prompt, and depth of the decoded token")
    batch: int = Field(ge=1)
    dtype: Literal["float32", "float16", "bfloat16"]
    weights: Literal["int8", "int4"] | None = Field(
        default=None, description="what matrices are stored in; null: dtype"
    )
    prefill_chunk: int = Field(ge=1, description="most tokens read at once")
    depths: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(), strict=False, description="further depths at which a token is decoded"
    )


class Runner:
    """A model's compiled programs and, after `load`, its weights and its donated state.

    Raises `RuntimeError` where the model does not fit in memory; nothing large is allocated before `load`.
    """

    def __init__(
        self,
        architecture: Architecture,
        context: int,
        batch: int,
        dtype: str,
        prefill_chunk: int,
        weights: str | None = None,
    ) -> None:
        model = Model(architecture)
        pieces = _pieces(context, prefill_chunk)
        full = jax.eval_shape(lambda: model.init(jax.random.key(0), method="create")["params"])
        full = jax.tree.map(lambda s: _shape(s.shape, dtype), full)
        shapes = jax.eval_shape(lambda w: quantised.store(w, weights), full) if weights else full
        state = jax.eval_shape(lambda: model.initial_state(batch, context, jnp.dtype(dtype)))
        resident = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((shapes, state)))
        require_memory(resident)

        def read(weights: Any, tokens: Array, state: Any, position: Array) -> tuple[Array, Any]:
            params = quantised.restore(weights, dtype)
            hidden, state = model.apply({"params": params}, tokens, state, position, method="extend")
            return hidden[:, -1:], state

        def logits(weights: Any, hidden: Array) -> Array:
            params = quantised.restore(weights, dtype)
            last: Array = model.apply({"params": params}, hidden, method="logits")  # type: ignore[assignment]
            return last

        def step(weights: Any, tokens: Array, state: Any, position: Array) -> tuple[Array, Any]:
            hidden, state = read(weights, tokens, state, position)
            return logits(weights, hidden), state

        self.working_bytes = 0
        """The most that one of the programs needs besides weights and state."""

        def fitting(lowered: Any) -> Callable[..., Any]:
            program = lowered.compile()
            self.working_bytes = max(self.working_bytes, _own_bytes(program))
            require_memory(resident + self.working_bytes)
            return program  # type: ignore[no-any-return]

        def compiled(function: Callable[..., Any], tokens: int, state: Any = state) -> Callable[..., Any]:
            arguments = (
                shapes,
                _shape((batch, tokens), jnp.int32),
                state,
                _shape((), jnp.int32),
            )
            return fitting(jax.jit(function, donate_argnums=2).lower(*arguments))

        self._read = {tokens: compiled(read, tokens) for tokens in {last - first for first, last in pieces}}
        self._step = compiled(step, 1)
        self._compiled_step = lambda state: compiled(step, 1, state)
        self._empty = lambda depth: model.initial_state(batch, depth, jnp.dtype(dtype))
        hidden = _shape((batch, 1, architecture.width), dtype)
        self._logits = fitting(jax.jit(logits).lower(shapes, hidden))
        self._weights, self._shapes = weights, (full, state)
        rng = np.random.default_rng(0)
        self.tokens = jnp.asarray(rng.integers(0, architecture.vocab_size, (batch, context)), jnp.int32)
        self._chunks = [(self.tokens[:, first:last], jnp.int32(first)) for first, last in pieces]
        self._last = (self.tokens[:, -1:], jnp.int32(context - 1))

    def load(self) -> None:
        """Create weights and an empty state."""
        shapes, state = self._shapes
        self.weights = cheap_weights(shapes, self._weights)
        self.state = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), state)
        jax.block_until_ready((self.weights, self.state))  # type: ignore[no-untyped-call]

    def prefill(self) -> Array:
        """Read the prompt from position 0; logits of its last token (`B 1 W`).

        The state is used again: attention masks what it held before, a recurrence starts from it.
        """
        for tokens, position in self._chunks:
            hidden, self.state = self._read[tokens.shape[1]](self.weights, tokens, self.state, position)
        logits: Array = self._logits(self.weights, hidden).block_until_ready()
        return logits

    def decode(self) -> Array:
        """The prompt's last token once more, at the last position; its logits (`B 1 W`)."""
        tokens, position = self._last
        logits: Array
        logits, self.state = self._step(self.weights, tokens, self.state, position)
        return logits.block_until_ready()

    def at_depth(self, depth: int) -> Callable[[], Array]:
        """Decodes a token at another depth, with a state of its own, which holds nothing but zeros."""
        program = self._compiled_step(jax.eval_shape(lambda: self._empty(depth)))
        state = self._empty(depth)
        tokens, position = self._last[0], jnp.int32(depth - 1)

        def decode() -> Array:
            nonlocal state
            logits: Array
            logits, state = program(self.weights, tokens, state, position)
            return logits.block_until_ready()

        return decode


def measure(request: Request) -> dict[str, Any]:
    """Measure in this process, which should be fresh.

    The answer holds the samples `prefill_latency_s` and `decode_latency_s`, the `yardstick` around them,
    `peak_memory_bytes` with `memory_counts`, whether the samples `settled`, and what they depend on.

    Raises `InvalidInput` for an architecture that cannot be read, `RuntimeError` where it does not fit or its
    logits are not finite.
    """
    architecture = read_architecture(request.architecture)
    device = jax.devices()[0]
    started = perf_counter()
    runner = Runner(
        architecture, request.context, request.batch, request.dtype, request.prefill_chunk, request.weights
    )
    _trim()
    baseline = int(psutil.Process().memory_info().rss)
    runner.load()
    preparation_s = perf_counter() - started
    _trim()
    reset = _reset_peak()
    runner.prefill()
    runner.decode()
    peak, counts = _peak(device, baseline, reset)
    yardstick = Yardstick()
    before = yardstick.read()
    with other_load() as others:
        prefill = sample(runner.prefill, 0, FEWEST_PREFILLS)
        decode = sample(runner.decode, WARM_UP_STEPS, FEWEST_STEPS)
        by_depth = {
            str(depth): sample(runner.at_depth(depth), WARM_UP_STEPS, FEWEST_STEPS)
            for depth in request.depths
        }
    after = yardstick.read()
    if not bool(jnp.isfinite(runner.decode()).all()):
        raise RuntimeError(f"the logits are not finite in {request.dtype} with random weights")
    return {
        "prefill_latency_s": prefill,
        "decode_latency_s": decode,
        "decode_latency_by_depth_s": by_depth,
        "yardstick": {phase: (before[phase] + after[phase]) / 2 for phase in before},
        "settled": max(variation(prefill), variation(decode)) <= SETTLED,
        "peak_memory_bytes": peak,
        "memory_counts": counts,
        "other_load": others[0],
        "preparation_s": preparation_s,
        "device": {"platform": device.platform, "kind": device.device_kind},
        "threads": _threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("jax", "jaxlib", "flax")},
        },
    }


def sample(step: Callable[[], Any], warm_up: int, fewest: int) -> list[float]:
    """Seconds of each step after the warm-up: at least `fewest` and half a second, until they have settled.

    Stops in any case after `MOST_SECONDS`, which is looked at while warming up too.
    """
    begin = perf_counter()
    for _ in range(warm_up):
        step()
        if perf_counter() - begin > MOST_SECONDS:
            break
    seconds: list[float] = []
    begin, look_at = perf_counter(), fewest
    while True:
        start = perf_counter()
        step()
        end = perf_counter()
        seconds.append(end - start)
        if end - begin > MOST_SECONDS:
            return seconds
        if len(seconds) >= look_at and end - begin >= LEAST_SECONDS:
            if variation(seconds) <= SETTLED:
                return seconds
            look_at = 2 * len(seconds)


def variation(seconds: list[float]) -> float:
    """Coefficient of variation of the figure reported: of the medians of up to 8 consecutive parts of the
    samples, without the lowest and the highest; drift and passing load show, the jitter of one call does not.
    """
    medians = np.sort([np.median(part) for part in np.array_split(seconds, min(PARTS, len(seconds)))])
    kept = medians[1:-1] if len(medians) >= PARTS else medians
    return float(kept.std() / kept.mean())


def cheap_weights(shapes: Any, stored: str | None = None) -> Any:
    """Weights of these shapes and dtypes, made on the device by one small program a shape, without a copy;
    `stored` as int8 or int4 where given.

    Matrices are uniform with variance 1 / fan-in, vectors lie from 0.5 to 1; 64 levels, none of them zero
    and none subnormal in float16 at usual sizes.
    """

    def values(shape: tuple[int, ...], dtype: Any, table: bool, seed: Array) -> Any:
        bits = seed
        for axis, factor in zip(
            range(len(shape)), (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F), strict=False
        ):
            bits = bits + jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(factor)
        # The finalizer of MurmurHash3 (Appleby, public domain).
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            bits = (bits ^ (bits >> shift)) * jnp.uint32(factor)
        level = ((bits >> 26).astype(jnp.float32) + 0.5) / 64
        value: Array = 0.5 + 0.5 * level if len(shape) < 2 else (2 * level - 1) * (3 / shape[-2]) ** 0.5
        value = value.astype(dtype)
        return quantised.store_one(value, stored, table) if stored else value

    fill = jax.jit(values, static_argnums=(0, 1, 2))
    leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
    filled = [
        fill(leaf.shape, leaf.dtype, quantised.is_table(path), jnp.uint32(seed))
        for seed, (path, leaf) in enumerate(leaves)
    ]
    return jax.tree.unflatten(tree, filled)


def require_memory(needed_bytes: int) -> None:
    """Raise `RuntimeError` where the device cannot hold so much now."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        available = int(psutil.virtual_memory().available)
    else:
        stats = device.memory_stats() or {}
        if "bytes_limit" not in stats:
            return
        available = stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    if needed_bytes > available:
        raise RuntimeError(
            f"the model does not fit in memory: it needs {needed_bytes} bytes "
            f"({needed_bytes / 2**30:.2f} GiB), {available} ({available / 2**30:.2f} GiB) are available; "
            "lower context or batch, or use a narrower dtype"
        )


def _pieces(context: int, chunk: int) -> list[tuple[int, int]]:
    """First and last position (left out) of each chunk of a prompt."""
    return [(first, min(first + chunk, context)) for first in range(0, context, chunk)]


def _shape(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]


def _own_bytes(compiled: Any) -> int:
    """What a program needs besides weights and state, as its compiler says."""
    if (analysis := compiled.memory_analysis()) is None:
        return 0
    own = analysis.temp_size_in_bytes + analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return max(0, int(own))


def _trim() -> None:
    """Give freed memory back to the operating system, where glibc can."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    """Set the peak of resident memory to what is resident now, where Linux can."""
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _peak(device: Any, baseline: int, reset: bool) -> tuple[int, str]:
    """Peak memory in bytes, and in words what it counts."""
    if device.platform != "cpu" and (stats := device.memory_stats()):
        return int(stats["peak_bytes_in_use"]), "the allocator's peak, creation of the weights included"
    if reset:
        fields = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="utf-8").splitlines())
        peak = 1024 * int(fields["VmHWM"].split()[0])
        return peak - baseline, "resident memory while running, less that of jax and the compiled programs"
    if sys.platform == "win32":
        peak = int(psutil.Process().memory_info().peak_wset)
    else:
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak - baseline, (
        "resident memory, less that of jax and the compiled programs; compiling and creating weights included"
    )


@contextlib.contextmanager
def other_load() -> Iterator[list[float]]:
    """The share of this machine's CPU time that other programs (and other guests) took meanwhile."""

    def spent() -> tuple[float, float, float]:
        times, own = psutil.cpu_times(), os.times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # On Linux the time of guests is counted in that of users too.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total, total - idle, own.user + own.system

    found: list[float] = []
    before = spent()
    yield found
    total, busy, own = (after - earlier for after, earlier in zip(spent(), before, strict=True))
    found.append(max(0.0, (busy - own) / total) if total > 0 else 0.0)


def _threads() -> int:
    """Threads of XLA's CPU client: its environment variables, else the CPUs that this process may use."""
    for name in ("PJRT_NPROC", "NPROC"):
        if (value := os.environ.get(name, "")).isdecimal():
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> int:
    """Answer the request on stdin; whatever else is printed goes to stderr."""
    answer: dict[str, Any]
    with redirect_stdout(sys.stderr):
        try:
            answer, code = measure(Request.model_validate_json(sys.stdin.read())), 0
        except ValidationError as error:
            answer, code = {"error": f"request: {describe(error)}", "kind": "input"}, 2
        except InvalidInput as error:
            answer, code = {"error": str(error), "kind": "input"}, 2
        except (RuntimeError, MemoryError) as error:
            answer, code = {"error": str(error) or type(error).__name__, "kind": "failed"}, 1
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
