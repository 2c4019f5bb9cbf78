"""The whole proxy: embedding, residual blocks, final norm, logits."""

import jax.numpy as jnp
from flax import linen as nn

from genomes import Architecture, Operator
from proxies.axes import Array, Features, Float, Hidden, Position, State, Tokens
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators import OperatorModule, module_class
from proxies.operators.base import Shared, constant, normal

ModelState = tuple[State, ...]
"""The state of each block."""


class Model(nn.Module):
    """An architecture as a Flax module; its parameters number exactly what the accounting says.

    A block is `x + op(rms(x))`; a skip is `x`. A block that shares weights runs the module of its donor; one
    that shares features is given those of its donor, computed from the donor's input.

    Token and blocks start on one scale, so that no order of blocks loses the token. The embedding's deviation
    is `width ** -0.5` (logits of tied embeddings then start at deviation 1: Vaswani et al., arXiv 1706.03762,
    section 3.4). All blocks together start as large as the token: output projections have GPT-2's factor for
    residual layers, `blocks ** -0.5` (Radford et al., 2019, section 2.3), on the token's scale.
    """

    architecture: Architecture

    def setup(self) -> None:
        """Create embedding, blocks, final norm and, where untied, the head."""
        a = self.architecture
        token_std = a.width**-0.5
        self.embedding = self.param("embedding", normal(token_std), (a.vocab_size, a.width))
        self.norms = {
            str(i): self.param(f"norm_{i}", constant(1), (a.width,))
            for i, block in enumerate(a.blocks)
            if block.kind != "skip"
        }
        scale = token_std * len(a.blocks) ** -0.5
        self.ops = {
            str(i): module_class(type(block))(block, a.width, a.norm_eps, scale)
            for i, block in enumerate(a.blocks)
            if block.has_own("weights")
        }
        self.final_norm = self.param("final_norm", constant(1), (a.width,))
        if not a.tied_embeddings:
            self.head = self.param("head", normal(token_std), (a.vocab_size, a.width))

    def create(self) -> None:
        """Create the weights, and nothing else: `model.init(key, method="create")` computes no output."""
        for op in self.ops.values():
            op.create()

    def _embed(self, tokens: Tokens) -> Hidden:
        return self.embedding[tokens] * self.architecture.embedding_scale

    def _normed(self, index: int, x: Hidden) -> Hidden:
        return (
            rms_norm(x, self.norms[str(index)], self.architecture.norm_eps) if str(index) in self.norms else x
        )

    def _op(self, index: int) -> OperatorModule:
        """The module that block `index` runs: its own, or that of the block whose weights it shares."""
        shares = self.architecture.blocks[index].shares
        donors = [share.donor for share in shares if share.what == "weights"]
        op: OperatorModule = self.ops[str(donors[0] if donors else index)]
        return op

    def __call__(self, tokens: Tokens) -> Hidden:
        """Hidden states after the final norm."""
        a = self.architecture
        x = self._embed(tokens)
        inputs: list[Hidden] = []
        for index, block in enumerate(a.blocks):
            inputs.append(self._normed(index, x))
            shared: Features = {}
            for donor, names, _ in _taken(block):
                # The donor computed these too: the compiler keeps one of equal computations.
                features = self._op(donor).features(inputs[donor])
                shared |= {name: features[name] for name in names}
            x = x + a.residual_scale * self._op(index)(
                inputs[index], **({"shared": shared} if shared else {})
            )
        return rms_norm(x, self.final_norm, a.norm_eps)

    def logits(self, hidden: Hidden) -> Float[Array, "B T W"]:
        """Logits over the vocabulary W."""
        a = self.architecture
        logits = project(hidden, (self.embedding if a.tied_embeddings else self.head).T) * a.logit_scale
        return logits if a.logit_softcap is None else a.logit_softcap * jnp.tanh(logits / a.logit_softcap)

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
        a = self.architecture
        x = self._embed(tokens)
        inputs: list[Hidden] = []
        after: list[State] = []
        for index, block in enumerate(a.blocks):
            inputs.append(self._normed(index, x))
            shared = Shared({}, {}, {})
            for donor, features, entries in _taken(block):
                made = self._op(donor).features(inputs[donor], position, state[donor])
                shared.features.update({name: made[name] for name in features})
                shared.before.update({name: state[donor][name] for name in entries})
                shared.after.update({name: after[donor][name] for name in entries})
            extra = {"shared": shared} if shared.features else {}
            y, own = self._op(index).extend(inputs[index], state[index], position, **extra)
            x = x + a.residual_scale * y
            after.append(own)
        return rms_norm(x, self.final_norm, a.norm_eps), tuple(after)


def _taken(block: Operator) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """Donor, features and state entries of each feature group that a block shares."""
    groups = block.feature_groups()
    return [
        (share.donor, groups[share.what].features, groups[share.what].state)
        for share in block.shares
        if share.what != "weights"
    ]
