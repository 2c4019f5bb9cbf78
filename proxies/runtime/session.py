"""A session of jax: a model's compiled programs, its weights and its state.

Weights are cheap pseudo-random numbers at full size: speed does not depend on their values, only on their
being normal numbers. Decoding stands at the last position, so that the state is full; repeating it writes the
same slot again. State is donated.
"""

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from genomes import Architecture
from hardware_profiles.timing.memory import require_bytes
from hardware_profiles.workload import Workload
from proxies import quantised
from proxies.axes import Array
from proxies.model import Model


class JaxSession:
    """A model's compiled programs and, after `load`, its weights and its donated state.

    Raises `RuntimeError` where the model does not fit in memory; nothing large is allocated before `load`.
    """

    def __init__(self, architecture: Architecture, workload: Workload) -> None:
        model = Model(architecture)
        context, batch, dtype = workload.context, workload.batch, workload.dtype
        stored = workload.weight_dtype if workload.weight_dtype != dtype else None
        pieces = _pieces(context, workload.prefill_chunk)
        full = jax.eval_shape(lambda: model.init(jax.random.key(0), method="create")["params"])
        full = jax.tree.map(lambda s: _shape(s.shape, dtype), full)
        shapes = jax.eval_shape(lambda w: quantised.store(w, stored), full) if stored else full
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
        """The most that one of the programs needs besides weights and state, in bytes."""

        def fitting(lowered: Any) -> Callable[..., Any]:
            program = lowered.compile()
            self.working_bytes = max(self.working_bytes, _own_bytes(program))
            require_memory(resident + self.working_bytes)
            return program  # type: ignore[no-any-return]

        def compiled(function: Callable[..., Any], tokens: int, state: Any = state) -> Callable[..., Any]:
            arguments = (shapes, _shape((batch, tokens), jnp.int32), state, _shape((), jnp.int32))
            return fitting(jax.jit(function, donate_argnums=2).lower(*arguments))

        self._read = {tokens: compiled(read, tokens) for tokens in {last - first for first, last in pieces}}
        self._step = compiled(step, 1)
        self._compiled_step: Callable[[Any], Callable[..., Any]] = lambda state: compiled(step, 1, state)
        self._empty: Callable[[int], Any] = lambda depth: model.initial_state(batch, depth, jnp.dtype(dtype))
        hidden = _shape((batch, 1, architecture.width), dtype)
        self._logits = fitting(jax.jit(logits).lower(shapes, hidden))
        self._stored, self._shapes = stored, (full, state)
        rng = np.random.default_rng(0)
        self.tokens = jnp.asarray(rng.integers(0, architecture.vocab_size, (batch, context)), jnp.int32)
        self._chunks = [(self.tokens[:, first:last], jnp.int32(first)) for first, last in pieces]
        self._last = (self.tokens[:, -1:], jnp.int32(context - 1))
        self._given: Array | None = None

    def load(self) -> None:
        """Create weights and an empty state."""
        self.weights = cheap_weights(self._shapes[0], self._stored)
        self.state: Any = None
        self.clear()
        jax.block_until_ready(self.weights)  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        """Put zeros into the state: attention would mask what it held, a recurrence starts from it."""
        self.state = None  # first, so that there are never two
        self.state = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), self._shapes[1])
        jax.block_until_ready(self.state)  # type: ignore[no-untyped-call]

    def prefill(self) -> None:
        """Read the prompt from position 0; gives the logits of its last token."""
        self._given = None
        for tokens, position in self._chunks:
            hidden, self.state = self._read[tokens.shape[1]](self.weights, tokens, self.state, position)
        self._given = self._logits(self.weights, hidden).block_until_ready()

    def decode(self) -> None:
        """Read the prompt's last token once more, at the last position; gives its logits."""
        self._given = None
        tokens, position = self._last
        logits, self.state = self._step(self.weights, tokens, self.state, position)
        self._given = logits.block_until_ready()

    def go_on(self) -> None:
        """Read the prompt's last token once more, as `decode` does."""
        self.decode()

    def step_back(self) -> None:
        """Do nothing: `decode` stands at one position."""

    def at_depth(self, depth: int) -> Callable[[], None]:
        """Make a step that decodes a token at another depth, with a state of its own that holds zeros."""
        program = self._compiled_step(jax.eval_shape(lambda: self._empty(depth)))
        state = self._empty(depth)
        tokens, position = self._last[0], jnp.int32(depth - 1)

        def decode() -> None:
            nonlocal state
            self._given = None
            logits, state = program(self.weights, tokens, state, position)
            self._given = logits.block_until_ready()

        return decode

    def logits(self) -> np.ndarray:
        """Return those of the last token that was read; `B V`, in the type of the arithmetic."""
        assert self._given is not None, "nothing was read"
        return np.asarray(self._given[:, 0])

    def copy(self) -> "JaxSession":
        """Share the programs, with copies of weights and state."""
        other = copy.copy(self)
        other.weights, other.state = jax.tree.map(jnp.copy, (self.weights, self.state))
        jax.block_until_ready((other.weights, other.state))  # type: ignore[no-untyped-call]
        return other

    def close(self) -> None:
        """Let go of weights, state and logits."""
        self.weights = self.state = self._given = None


def cheap_weights(shapes: Any, stored: str | None = None) -> Any:
    """Weights of these shapes and dtypes, made on the device by one small program a shape, without a copy;
    in int8 or int4 where `stored` says so.

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
