"""S6; see `genomes.operators.s6`."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Channels, Features, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.project import project
from proxies.kernels.selective_scan import naive_selective_scan, selective_scan
from proxies.operators.base import (
    NOTHING,
    OperatorModule,
    Shared,
    constant,
    drawn,
    fan_in,
    spread,
    step_bias,
    taps,
)


def _counting(_: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """S4D-Real: `A_n = -n`, n from 1 to N, in every channel."""
    return np.broadcast_to(np.log(np.arange(1, shape[0] + 1))[:, None], shape)


def _in_order(features: Features) -> tuple[Array, Array, Array, Array]:
    """As the scan takes them."""
    return features["u"], features["dt"], features["a"], features["b"]


class S6(OperatorModule):
    """Its state holds the states of each channel (`N C`) and the last inputs of the convolution, if any."""

    exempt: ClassVar[frozenset[str]] = frozenset({"conv", "a_log"})

    def setup(self) -> None:
        """Create the weights: S4D-Real, steps from 0.001 to 0.1 (arXiv 2312.00752, section 3.6)."""
        self.in_proj = self.weight("in_proj")
        if self.spec.kernel is not None:
            self.conv, self.conv_bias = self.weight("conv", taps()), self.weight("conv_bias", constant(0))
        self.dt_down, self.dt_up = self.weight("dt_down"), self.weight("dt_up")
        self.dt_bias = self.weight("dt_bias", spread(-3.0, -1.0, step_bias))
        self.a_log, self.d = self.weight("a_log", drawn(_counting)), self.weight("d", constant(1))
        self.b, self.c = self.weight("b"), self.weight("c")
        self.out_proj = self.weight("out_proj", fan_in(self.residual_scale))

    def _branches(
        self, x: Hidden, convolve: Callable[..., Array], past: Array | None = None
    ) -> tuple[Channels, Channels, Channels]:
        """`u`, `z` (of no channels without a gate) and `u` before the convolution."""
        before, z = jnp.split(project(x, self.in_proj), [self.spec.inner], axis=-1)
        if self.spec.kernel is None:
            return before, z, before
        u = convolve(before, self.conv) if past is None else convolve(before, self.conv, past)
        return jax.nn.silu(u + self.conv_bias), z, before

    def _features(self, u: Channels) -> Features:
        """All that the state is made of: `u`, `dt`, `a` (`N C`, the same for all tokens) and `b`."""
        if self.b is None:
            return {}
        dt = project(project(u, self.dt_down), self.dt_up) + self.dt_bias
        a = -jnp.exp(self.a_log.astype(jnp.float32))
        return {"u": u, "dt": jax.nn.softplus(dt.astype(jnp.float32)), "a": a, "b": project(u, self.b)}

    def features(self, x: Hidden, position: Position = 0, state: State | None = None) -> Features:
        """`u`, `dt`, `b` of each token, and `a`."""
        del position
        past = state.get("conv") if state else None
        return self._features(self._branches(x, causal_conv, past)[0])

    def _merge(self, u: Channels, z: Channels, y: Channels) -> Hidden:
        y = y + self.d * u
        return project(y * jax.nn.silu(z) if self.spec.gated else y, self.out_proj)

    def _whole(
        self,
        x: Hidden,
        shared: Features,
        convolve: Callable[..., Array],
        scan: Callable[..., tuple[Array, Array]],
    ) -> Hidden:
        u, z, _ = self._branches(x, convolve)
        made_of = _in_order(self._features(u) | shared)
        h0 = jnp.zeros((x.shape[0], self.spec.state_dim, self.spec.inner))
        return self._merge(u, z, scan(*made_of, project(u, self.c), h0)[0])

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, by a sequential scan whose gradient computes states again."""
        return self._whole(x, shared or {}, causal_conv, selective_scan)

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state; a shared state is only read."""
        del position
        u, z, before = self._branches(x, causal_conv, state.get("conv"))
        c = project(u, self.c)
        if shared.after and x.shape[1] == 1:
            y = jnp.einsum("btn,bnc->btc", c, shared.after["s"])
        else:
            made_of = _in_order(self._features(u) | shared.features)
            y, h = selective_scan(*made_of, c, shared.before["s"] if shared.before else state["s"])
        after = {} if shared.after else {"s": h}
        if "conv" in state:
            after["conv"] = conv_state(before, state["conv"])
        return self._merge(u, z, y), after

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._whole(x, {}, naive_causal_conv, naive_selective_scan)
