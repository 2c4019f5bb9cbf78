"""Mixture of SwiGLU experts; see `genomes.operators.moe`.

Axes besides those of `proxies.axes`: M rows (the tokens of all sequences), E experts, K choices of a token.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from proxies.axes import Array, Float, Hidden, Int, Position, State
from proxies.kernels.experts import Experts, Placement, block_size, mixture, mixture_of_few, place, swiglu
from proxies.operators.base import OperatorModule, fan_in

Rows = Float[Array, "M D"]
Weights = Float[Array, "M K"]
Choices = Int[Array, "M K"]
Mixture = Callable[[Rows, Weights, Placement, Experts], Rows]


class MoE(OperatorModule):
    """Keeps no state."""

    def setup(self) -> None:
        """Create the weights."""
        down = fan_in(self.residual_scale)
        self.router = self.weight("router")
        self.experts = self.weight("gate"), self.weight("up"), self.weight("down", down)
        if self.spec.shared_hidden is not None:
            self.shared = (
                self.weight("shared_gate"),
                self.weight("shared_up"),
                self.weight("shared_down", down),
            )
        if self.spec.shared_gated:
            self.shared_router = self.weight("shared_router")

    def _route(self, rows: Rows) -> tuple[Float[Array, "M E"], Weights, Choices]:
        """Logits in float32; weight and index of each chosen expert, of equals the one that comes first."""
        logits = rows.astype(jnp.float32) @ self.router.astype(jnp.float32)
        best, chosen = jax.lax.top_k(logits, self.spec.top_k)
        rest = best if self.spec.normalise else logits
        return logits, jnp.exp(best - jax.nn.logsumexp(rest, axis=-1, keepdims=True)), chosen

    def _shared(self, rows: Rows) -> Rows:
        """What the shared expert makes of the rows; zeros without one."""
        if self.spec.shared_hidden is None:
            return jnp.zeros_like(rows)
        made = swiglu(rows, *self.shared)
        return made * jax.nn.sigmoid(rows @ self.shared_router) if self.spec.shared_gated else made

    def _mix(self, rows: Rows, weights: Weights, chosen: Choices, mix: Mixture) -> Rows:
        """What the chosen experts make of the rows, weighted, and the shared expert."""
        size = min(len(rows), block_size(chosen.size, self.spec.experts))
        placement = place(chosen, self.spec.experts, size)
        return mix(rows, weights, placement, self.experts) + self._shared(rows)

    def __call__(self, x: Hidden) -> Hidden:
        """Each token by itself; sows the load-balancing loss."""
        rows = x.reshape(-1, self.width)
        logits, weights, chosen = self._route(rows)
        if not self.is_initializing():  # the loss is no weight
            self.sow("losses", "load_balance", load_balance(logits, chosen))
        return self._mix(rows, weights, chosen, mixture).reshape(x.shape)

    def extend(self, x: Hidden, state: State, position: Position) -> tuple[Hidden, State]:
        """Each token by itself; experts that no token chose are not read."""
        del position
        rows = x.reshape(-1, self.width)
        _, weights, chosen = self._route(rows)
        return self._mix(rows, weights, chosen, mixture_of_few).reshape(x.shape), state

    def reference(self, x: Hidden) -> Hidden:
        """Every expert on every token; those not chosen weigh 0."""
        rows = x.reshape(-1, self.width)
        _, weights, chosen = self._route(rows)
        full = (jax.nn.one_hot(chosen, self.spec.experts) * weights[..., None]).sum(1)
        y = jnp.einsum("me,emd->md", full, swiglu(rows[None], *self.experts)).astype(x.dtype)
        return (y + self._shared(rows)).reshape(x.shape)


def load_balance(logits: Float[Array, "M E"], chosen: Choices) -> Float[Array, ""]:
    """`E sum_e f_e P_e`, 1 when balanced, with `f_e` the share of choices and `P_e` the mean probability of
    expert e. Fedus et al., arXiv 2101.03961, equations 4 to 6."""
    experts = logits.shape[-1]
    share = (chosen.reshape(-1, 1) == jnp.arange(experts)).mean(0)
    loss: Array = experts * (share * jax.nn.softmax(logits).mean(0)).sum()
    return loss
