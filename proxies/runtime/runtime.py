"""Measuring a whole model on this machine: time to first token, time of one decoded token, peak memory.

`python -m proxies.runtime.runtime` reads a `Request` as JSON from stdin and prints the measurement as JSON:
one fresh process a measurement, so that neither another program's threads nor its memory are in the way.
Weights are cheap pseudo-random numbers at full size: speed does not depend on their values, only on their
being normal numbers. A failure prints `{"error": ..., "kind": "input" | "failed"}` and exits with 2 or 1.

Prefill reads the prompt in chunks, as serving does, and ends with the logits of the last token. Decoding is
one token at depth `context`: it stands at the last position, so that the state is full and the token sees
`context` tokens, itself included; repeating it writes the same slot again. State is donated.

Peak memory is that of running alone, the weights, state and activations of the model: resident memory at its
highest while one prompt is read and one token decoded, less what was resident when jax had started and the
programs were compiled (freed memory given back first). Creating the weights is left out where Linux lets the
mark be reset, and so is what the C library's allocator keeps when calls are repeated, tens of megabytes; on
accelerators the allocator's own peak counts. `memory_counts` in the answer says which.
"""

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from genomes import Architecture, InvalidInput, read_architecture
from hardware_profiles.timing import drift
from hardware_profiles.timing.memory import (
    other_load,
    peak_bytes,
    require_bytes,
    reset_peak,
    resident_bytes,
    trim,
)
from hardware_profiles.timing.power import mean_power, nvml_counter
from hardware_profiles.timing.sampling import (
    FEWEST_PREFILLS,
    FEWEST_STEPS,
    SETTLED,
    WARM_UP_STEPS,
    sample,
    variation,
)
from hardware_profiles.timing.worker import Request, answer
from proxies import quantised
from proxies.axes import Array
from proxies.model import Model
from proxies.runtime.yardstick import Yardstick


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
        self._compiled_step: Callable[[Any], Callable[..., Any]] = lambda state: compiled(step, 1, state)
        self._empty: Callable[[int], Any] = lambda depth: model.initial_state(batch, depth, jnp.dtype(dtype))
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
    `peak_memory_bytes` with `memory_counts`, the mean `power_w` of each phase with what it is in words
    (`energy`), whether the samples `settled`, and what they depend on.

    Raises `InvalidInput` for an architecture that cannot be read, `RuntimeError` where it does not fit or its
    logits are not finite.
    """
    architecture = read_architecture(request.architecture)
    weights = None if request.weights == request.dtype else request.weights
    if weights not in (None, *quantised.BITS) or request.cache not in (None, request.dtype):
        raise InvalidInput(
            f"request: weights = {request.weights!r}, cache = {request.cache!r}; legal with dtype = "
            f"{request.dtype!r}: weights in it, {' or '.join(quantised.BITS)}, and the cache in it"
        )
    device = jax.devices()[0]
    started = perf_counter()
    runner = Runner(
        architecture, request.context, request.batch, request.dtype, request.prefill_chunk, weights
    )
    trim()
    baseline = resident_bytes()
    runner.load()
    preparation_s = perf_counter() - started
    trim()
    reset = reset_peak()
    runner.prefill()
    runner.decode()
    peak, counts = _peak(device, baseline, reset)
    counter, energy = None, f"not measured: jax runs on {device.platform}"
    if device.platform in ("gpu", "cuda"):
        counter, energy = nvml_counter()
    yardstick = Yardstick()
    before = yardstick.read()
    with other_load() as others:
        with mean_power(counter) as prefill_w:
            prefill = sample(runner.prefill, 0, FEWEST_PREFILLS)
        with mean_power(counter) as decode_w:
            decode = sample(runner.decode, WARM_UP_STEPS, FEWEST_STEPS)
        by_depth = {
            str(depth): sample(runner.at_depth(depth), WARM_UP_STEPS, FEWEST_STEPS)
            for depth in request.depths
        }
    pace = drift.between(before, yardstick.read())
    if not bool(jnp.isfinite(runner.decode()).all()):
        raise RuntimeError(f"the logits are not finite in {request.dtype} with random weights")
    return {
        "prefill_latency_s": prefill,
        "decode_latency_s": decode,
        "decode_latency_by_depth_s": by_depth,
        "yardstick": pace,
        "settled": max(variation(prefill), variation(decode)) <= SETTLED,
        "peak_memory_bytes": peak,
        "memory_counts": counts,
        "power_w": {"prefill": prefill_w[0], "decode": decode_w[0]},
        "energy": energy,
        "other_load": others[0],
        "preparation_s": preparation_s,
        "device": {"platform": device.platform, "kind": device.device_kind},
        "threads": threads(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("jax", "jaxlib", "flax")},
        },
    }


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
    require_bytes(needed_bytes, available)


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


def _peak(device: Any, baseline: int, reset: bool) -> tuple[int, str]:
    """Peak memory in bytes, and in words what it counts."""
    if device.platform != "cpu" and (stats := device.memory_stats()):
        return int(stats["peak_bytes_in_use"]), "the allocator's peak, creation of the weights included"
    counts = "resident memory while running, less that of jax and the compiled programs"
    if not reset:
        counts = counts.replace(" while running", "") + "; compiling and creating weights included"
    return peak_bytes(reset) - baseline, counts


def threads() -> int:
    """Threads of XLA's CPU client: its environment variables, else the CPUs that this process may use."""
    for name in ("PJRT_NPROC", "NPROC"):
        if (value := os.environ.get(name, "")).isdecimal():
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(answer(measure))
