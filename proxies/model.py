"""The whole proxy: embedding, residual blocks, final norm, logits."""

import jax.numpy as jnp
from flax import linen as nn

from genomes import Architecture, Operator
from proxies.axes import Array, Float, Hidden, Position, State, Tokens
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators import module_class
from proxies.operators.base import constant, normal

EMBEDDING_STD = 0.02

ModelState = tuple[State, ...]
"""The state of each block."""


class Block(nn.Module):
    """`x + op(rms(x))`; a skip is `x`."""

    spec: Operator
    width: int
    norm_eps: float
    residual_scale: float

    def setup(self) -> None:
        """Create norm and operator."""
        if self.spec.kind != "skip":
            self.norm = self.param("norm", constant(1), (self.width,))
        self.op = module_class(type(self.spec))(self.spec, self.width, self.norm_eps, self.residual_scale)

    def _normed(self, x: Hidden) -> Hidden:
        return x if self.spec.kind == "skip" else rms_norm(x, self.norm, self.norm_eps)

    def create(self) -> None:
        """Create the weights, and nothing else."""
        self.op.create()

    def __call__(self, x: Hidden) -> Hidden:
        """All tokens."""
        return x + self.op(self._normed(x))

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """The next tokens."""
        y, state = self.op.extend(self._normed(x), state, position)
        return x + y, state


class Model(nn.Module):
    """An architecture as a Flax module; its parameters number exactly what the accounting says."""

    architecture: Architecture

    def setup(self) -> None:
        """Create embedding, blocks, final norm and, where untied, the head."""
        a = self.architecture
        scale = len(a.blocks) ** -0.5
        self.embedding = self.param("embedding", normal(EMBEDDING_STD), (a.vocab_size, a.width))
        self.blocks = [Block(block, a.width, a.norm_eps, scale) for block in a.blocks]
        self.final_norm = self.param("final_norm", constant(1), (a.width,))
        if not a.tied_embeddings:
            self.head = self.param("head", normal(EMBEDDING_STD), (a.vocab_size, a.width))

    def create(self) -> None:
        """Create the weights, and nothing else: `model.init(key, method="create")` computes no output."""
        for block in self.blocks:
            block.create()

    def __call__(self, tokens: Tokens) -> Hidden:
        """Hidden states after the final norm."""
        x = self.embedding[tokens]
        for block in self.blocks:
            x = block(x)
        return rms_norm(x, self.final_norm, self.architecture.norm_eps)

    def logits(self, hidden: Hidden) -> Float[Array, "B T W"]:
        """Logits over the vocabulary W."""
        table = self.embedding if self.architecture.tied_embeddings else self.head
        return project(hidden, table.T)

    def forward(self, tokens: Tokens) -> Float[Array, "B T W"]:
        """Logits of all tokens."""
        return self.logits(self(tokens))

    def initial_state(self, batch: int, context: int, dtype: jnp.dtype = jnp.float32) -> ModelState:
        """An empty state with room for `context` tokens; needs no weights, so no `apply`."""
        width = self.architecture.width
        modules = (module_class(type(b))(b, width, parent=None) for b in self.architecture.blocks)
        return tuple(module.initial_state(batch, context, dtype) for module in modules)

    def extend(self, tokens: Tokens, state: ModelState, position: Position) -> tuple[Hidden, ModelState]:
        """Hidden states of the next tokens after `position` tokens, and the new state."""
        x = self.embedding[tokens]
        after = []
        for block, block_state in zip(self.blocks, state, strict=True):
            x, block_state = block.extend(x, block_state, position)
            after.append(block_state)
        return rms_norm(x, self.final_norm, self.architecture.norm_eps), tuple(after)
