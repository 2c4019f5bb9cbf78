"""Judging a trained proxy with what it is stored in where it is deployed.

Weights are rounded after training, as llama.cpp quantises a finished model (`proxies.quantised`); the
training program judges them. Where the KV cache and the recurrent states are stored in another type than the
arithmetic's, float32, sequences are read token by token, as in decoding, and the whole state is rounded after
every token: the same for every operator, since each can take a step. The task's own decoder, where it has
one, belongs to no deployed model and is left as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genomes import Architecture
from proxies import quantised
from proxies.axes import Array, Tokens
from proxies.model import Model
from proxies.tasks.base import Batch, Readout
from proxies.training.program import COMPILER_OPTIONS, Proxy, TrainingState, judge

ARITHMETIC = "float32"
"""What proxies are trained and judged in."""


@dataclass(frozen=True)
class Decoding:
    """A compiled program that reads a batch token by token with a rounded state."""

    run: Callable[..., tuple[Array, Array]]

    def evaluate(
        self, state: TrainingState, batches: Sequence[Batch], vocabulary: int
    ) -> tuple[float, float, None]:
        """Mean loss and accuracy a judged token, as `proxies.training.program.Program.evaluate` gives them.

        The loss is NaN where the state is not finite as stored.
        """
        size = np.int32(vocabulary)
        metrics = [self.run(state.parameters, b.tokens, b.targets, b.weights, size) for b in batches]
        judged = np.array([batch.weights.sum() for batch in batches])
        loss, accuracy = (
            float((np.array(m) * judged).sum() / judged.sum()) for m in zip(*metrics, strict=True)
        )
        return loss, accuracy, None


def judged_by_decoding(architecture: Architecture) -> bool:
    """Whether an architecture is judged token by token."""
    return architecture.cache not in (None, ARITHMETIC)


def with_stored_weights(architecture: Architecture, state: TrainingState) -> TrainingState:
    """The state with the model's weights as they come back from where the architecture stores them."""
    if architecture.weights in (None, ARITHMETIC):
        return state
    model = _rounded(state.parameters["model"], architecture.weights)
    return TrainingState({**state.parameters, "model": model}, state.moments)


_rounded = jax.jit(quantised.rounded, static_argnums=1)


def all_finite(tree: Any) -> bool:
    """Whether all numbers of a tree are finite."""
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree))


@lru_cache(maxsize=2)
def compile_decoding(architecture: Architecture, readout: Readout, batch: int, length: int) -> Decoding:
    """Compile the judging of an architecture token by token, its state stored as it says."""
    cache = architecture.cache
    assert cache is not None
    model, proxy = Model(architecture.bare), Proxy(architecture.bare, readout, length)

    def run(
        parameters: Any, tokens: Tokens, targets: Tokens, weights: Array, vocabulary: Array
    ) -> tuple[Array, Array]:
        def step(state: Any, inputs: tuple[Array, Array]) -> tuple[Any, Array]:
            position, token = inputs
            hidden, after = model.apply(
                {"params": parameters["model"]}, token[:, None], state, position, method="extend"
            )
            return quantised.rounded_state(after, cache), hidden[:, 0]

        empty = model.initial_state(batch, length, jnp.dtype(ARITHMETIC))
        state, hidden = jax.lax.scan(step, empty, (jnp.arange(length), tokens.T))
        hidden = hidden.swapaxes(0, 1)
        logits: Array = proxy.apply({"params": parameters}, hidden, method="read_out")  # type: ignore[assignment]
        loss, accuracy = judge(logits, targets, weights, vocabulary)
        whole = jnp.stack([jnp.isfinite(entry).all() for entry in jax.tree.leaves(state)] or [True]).all()
        return jnp.where(whole, loss, jnp.nan), accuracy

    parameters = jax.eval_shape(lambda: proxy.init(jax.random.key(0), method="create")["params"])
    integers, numbers = (
        jax.eval_shape(lambda d=d: jnp.zeros((batch, length), d)) for d in (jnp.int32, jnp.float32)
    )
    traced = jax.jit(run).lower(parameters, integers, integers, numbers, np.int32(0))
    return Decoding(traced.compile(COMPILER_OPTIONS.get(jax.default_backend())))
