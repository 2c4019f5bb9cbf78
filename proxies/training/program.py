"""Training a proxy: the loss and the compiled program that makes steps."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from numpy.typing import NDArray

from genomes import Architecture
from proxies.axes import Array, Float, Hidden, Tokens
from proxies.kernels.project import project
from proxies.model import Model
from proxies.operators.base import constant, fan_in, normal
from proxies.tasks.base import Batch, Readout
from proxies.training.optimizer import adamw

VOCABULARY_MULTIPLE = 256
"""Vocabularies are filled up to a multiple of this, so that the tasks of a candidate share one program."""

COMPILER_OPTIONS: dict[str, dict[str, bool | str]] = {"cpu": {"xla_backend_optimization_level": "1"}}
"""By backend. LLVM's level 1 compiles faster than its default, and the steps take as long."""

STEPS_A_CALL = 4
"""Most steps in one call of the program; enough to hide the dispatch."""

NEVER = -1e30
"""Logit of a token that the task does not have: its chance and its gradient are 0."""

LOAD_BALANCE_COEFFICIENT = 0.01
"""Weight in training of the mean load-balancing loss of the mixtures of experts (arXiv 2101.03961, section
2.2)."""


class TrainingState(NamedTuple):
    """Parameters and the optimizer's moments."""

    parameters: Any
    moments: Any


class Metrics(NamedTuple):
    """Loss (nats a judged token) and accuracy of each batch, before its update.

    `load_balance` is the mean load-balancing loss of the mixtures of experts (1 when balanced, 0 without
    any); `loss` leaves it out.
    """

    loss: NDArray[np.float32]
    accuracy: NDArray[np.float32]
    load_balance: NDArray[np.float32]


class Proxy(nn.Module):
    """The model with a task's readout: `next_token` logits at each position, or `last_token`.

    `last_token` reconstructs all tokens from the hidden state of the last by a two-layer GELU decoder, as
    the compression task of MAD asks (arXiv 2403.17844); the decoder belongs to the task.
    """

    architecture: Architecture
    readout: Readout
    length: int

    def setup(self) -> None:
        """Create model and, where asked, decoder."""
        self.model = Model(self.architecture)
        if self.readout == "last_token":
            width = self.architecture.width
            self.expand = self.param("expand", fan_in(), (width, 2 * width))
            self.positions = self.param("positions", normal(0.5), (self.length, 2 * width))
            self.expand_bias = self.param("expand_bias", constant(0), (2 * width,))
            self.contract = self.param("contract", fan_in(), (2 * width, width))

    def create(self) -> None:
        """Create the weights, and nothing else."""
        self.model.create()

    def __call__(self, tokens: Tokens) -> Float[Array, "B T W"]:
        """Logits."""
        return self.read_out(self.model(tokens))

    def read_out(self, hidden: Hidden) -> Float[Array, "B T W"]:
        """Logits of hidden states."""
        if self.readout == "last_token":
            summary = project(hidden[:, -1], self.expand) + self.expand_bias
            hidden = project(jax.nn.gelu(summary[:, None] + self.positions), self.contract)
        logits: Array = self.model.logits(hidden)
        return logits


@dataclass(frozen=True)
class Program:
    """A compiled program that makes up to `STEPS_A_CALL` training steps, and what compiling it took."""

    run: Callable[..., tuple[TrainingState, tuple[Array, Array, Array]]]
    seconds: float

    def steps(
        self, state: TrainingState, batches: Sequence[Batch], rates: NDArray[np.float32], vocabulary: int
    ) -> tuple[TrainingState, Metrics]:
        """One step a batch, at these learning rates; consumes `state`.

        Tokens lie in [0, vocabulary); logits of others are left out.

        The last call is filled up with batches that the program skips, so every number of steps is made by
        the same program, and a training gives the same bits however it is cut into pieces.
        """
        measured = []
        for start in range(0, len(batches), STEPS_A_CALL):
            part = batches[start : start + STEPS_A_CALL]
            missing = STEPS_A_CALL - len(part)
            arrays = [
                np.stack([getattr(b, name) for b in part] + [np.zeros_like(getattr(part[0], name))] * missing)
                for name in ("tokens", "targets", "weights")
            ]
            rate = np.pad(rates[start : start + len(part)], (0, missing))
            sizes = np.full(STEPS_A_CALL, vocabulary, np.int32)
            state, metrics = self.run(state, np.arange(STEPS_A_CALL) < len(part), *arrays, sizes, rate)
            measured.append([np.asarray(metric)[: len(part)] for metric in metrics])
        return state, Metrics(*map(np.concatenate, zip(*measured, strict=True)))

    def evaluate(
        self, state: TrainingState, batches: Sequence[Batch], vocabulary: int
    ) -> tuple[float, float, float]:
        """Mean loss, accuracy and load-balancing loss a judged token; leaves `state` as it is.

        The training program at learning rate 0, on a copy: a second program would take longer to compile
        than it saves on proxies of this size.
        """
        copy = jax.tree.map(jnp.copy, state)
        _, metrics = self.steps(copy, batches, np.zeros(len(batches), np.float32), vocabulary)
        judged = np.array([batch.weights.sum() for batch in batches])
        loss, accuracy, balance = (float((m * judged).sum() / judged.sum()) for m in metrics)
        return loss, accuracy, balance


def padded_vocabulary(size: int) -> int:
    """The next multiple of `VOCABULARY_MULTIPLE`."""
    return -(-size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def initial_state(architecture: Architecture, readout: Readout, length: int, seed: int) -> TrainingState:
    """Weights drawn from the seed, moments of zero."""
    proxy = Proxy(architecture, readout, length)
    parameters = proxy.init(jax.random.key(seed), method="create")["params"]
    return TrainingState(parameters, adamw(architecture, 0.0).init(parameters))


@lru_cache(maxsize=2)
def compile_program(
    architecture: Architecture,
    readout: Readout,
    batch: int,
    length: int,
    weight_decay: float,
) -> Program:
    """Compile the training of an architecture; kept for the trials that follow."""
    proxy = Proxy(architecture, readout, length)
    optimizer = adamw(architecture, weight_decay)

    def loss(
        parameters: Any, tokens: Tokens, targets: Tokens, weights: Array, vocabulary: Array
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        logits, sown = proxy.apply({"params": parameters}, tokens, mutable=["losses"])
        balances = jax.tree.leaves(sown)
        balance = sum(balances, jnp.float32(0)) / max(len(balances), 1)
        mean, accuracy = judge(logits, targets, weights, vocabulary)
        return mean + LOAD_BALANCE_COEFFICIENT * balance, (mean, accuracy, balance)

    def step(
        state: TrainingState, inputs: tuple[Array, ...]
    ) -> tuple[TrainingState, tuple[Array, Array, Array]]:
        *batch, rate = inputs
        gradient, metrics = jax.grad(loss, has_aux=True)(state.parameters, *batch)
        updates, moments = optimizer.update(gradient, state.moments, state.parameters)
        parameters = jax.tree.map(lambda p, u: p - rate * u, state.parameters, updates)
        return TrainingState(parameters, moments), metrics

    def step_or_skip(
        state: TrainingState, inputs: tuple[Array, ...]
    ) -> tuple[TrainingState, tuple[Array, Array, Array]]:
        wanted, *rest = inputs
        nothing = (jnp.float32(0),) * 3
        done: tuple[TrainingState, tuple[Array, Array, Array]] = jax.lax.cond(
            wanted, step, lambda state, _: (state, nothing), state, tuple(rest)
        )
        return done

    def run(state: TrainingState, *inputs: Array) -> tuple[TrainingState, tuple[Array, Array, Array]]:
        return jax.lax.scan(step_or_skip, state, inputs)

    started = time.perf_counter()
    parameters = jax.eval_shape(lambda: proxy.init(jax.random.key(0), method="create")["params"])
    state = TrainingState(parameters, jax.eval_shape(optimizer.init, parameters))
    shape = (STEPS_A_CALL, batch, length)
    wanted, integers, weights, sizes, rates = (
        jax.eval_shape(lambda s=s, d=d: jnp.zeros(s, d))
        for s, d in (
            ((STEPS_A_CALL,), bool),
            (shape, jnp.int32),
            (shape, jnp.float32),
            ((STEPS_A_CALL,), jnp.int32),
            ((STEPS_A_CALL,), jnp.float32),
        )
    )
    traced = jax.jit(run, donate_argnums=0).lower(state, wanted, integers, integers, weights, sizes, rates)
    compiled = traced.compile(COMPILER_OPTIONS.get(jax.default_backend()))
    return Program(compiled, time.perf_counter() - started)


def judge(
    logits: Float[Array, "B T W"], targets: Tokens, weights: Array, vocabulary: Array | int
) -> tuple[Array, Array]:
    """Mean loss and accuracy of the judged tokens among tokens in [0, vocabulary), W or fewer.

    A target that ties with k others for the largest logit counts 1 / (k + 1): what breaking ties at random
    gives in expectation.
    """
    target = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    logits = jnp.where(jnp.arange(logits.shape[-1]) < vocabulary, logits, NEVER)
    judged = jnp.maximum(weights.sum(), 1.0)
    # A maximum and a count of its equals are far cheaper than an argmax.
    largest = logits.max(-1)
    equals = (logits == largest[..., None]).sum(-1)
    right = (target >= largest) / jnp.maximum(equals, 1) * weights
    losses = (jax.nn.logsumexp(logits, axis=-1) - target) * weights
    return losses.sum() / judged, right.sum() / judged
