"""Hyena; see `genomes.operators.hyena`."""

from math import log
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import lax

from proxies.axes import Array, Channels, Float, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.long_conv import carried
from proxies.operators.base import constant, fan_in, normal
from proxies.operators.hyena_x import HyenaX

FREQUENCY = 14.0
"""Initial frequency of the network's sines: `w` of the authors' code for The Pile."""
DECAYED, FASTEST, SLOWEST = 1e-2, 0.3, 1.5
"""The window falls to this within these many horizons: rates lie evenly between, as in the authors' code."""


class Hyena(HyenaX):
    """Its state holds the last inputs of the convolutions.

    For an implicit filter those are all inputs, and the filter at the lags that they span: it does not depend
    on the tokens, so each token computes one more lag of it, once for all sequences.
    """

    exempt: ClassVar[frozenset[str]] = HyenaX.exempt | {
        *("filter", "filter_in", "filter_inner", "filter_inner_bias", "filter_out"),
    }

    def setup(self) -> None:
        """Create the weights, the network's with the variances of the authors' code."""
        super().setup()
        if self.spec.filter_length is not None:
            self.filter = self.weight("filter")
            return
        inputs, inner = self.spec.weights(self.width)["filter_in"]
        linear = fan_in(3**-0.5)
        self.filter_in = self.weight("filter_in", linear)
        self.filter_in_bias = self.weight("filter_in_bias", normal((3 * inputs) ** -0.5))
        self.filter_inner = self.weight("filter_inner", linear)
        self.filter_inner_bias = self.weight("filter_inner_bias", normal((3 * inner) ** -0.5))
        self.filter_out = self.weight("filter_out", linear)
        self.frequency = self.weight("frequency", constant(FREQUENCY))
        self.skip = self.weight("skip", normal(1))

    def _implicit(self, first: Position, lags: int, context: int) -> Float[Array, "L C"]:
        """The filter at `lags` lags from `first` on, all below `context`."""
        inputs = jnp.asarray(_network_inputs(context, self.spec.horizon, self.spec.bands))
        z = inputs = lax.dynamic_slice_in_dim(inputs, first, lags)
        z = jnp.sin(self.frequency * (z @ self.filter_in + self.filter_in_bias))
        for weight, bias in zip(self.filter_inner, self.filter_inner_bias, strict=True):
            z = jnp.sin(self.frequency * (z @ weight + bias))
        rates = -log(DECAYED) * jnp.linspace(1 / SLOWEST, 1 / FASTEST, self.width)
        window = jnp.exp(-rates * inputs[:, :1])
        skip = jnp.where(first + jnp.arange(lags)[:, None] == 0, self.skip, 0)
        kernel: Array = window * (z @ self.filter_out) + skip
        return kernel

    def _kernel(self, u: Channels) -> Float[Array, "L C"]:
        """The filter as long as it can be seen, longest lag first."""
        if self.spec.filter_length is not None:
            explicit: Array = self.filter
            return explicit
        tokens = u.shape[1]
        return self._implicit(0, tokens, tokens)[::-1].astype(u.dtype)

    def _inner(self, u: Channels) -> Channels:
        return causal_conv(u, self._kernel(u))

    def _naive_inner(self, u: Channels) -> Channels:
        return naive_causal_conv(u, self._kernel(u))

    def _extend_inner(self, u: Channels, state: State, position: Position) -> tuple[Channels, State]:
        if self.spec.filter_length is not None:
            return causal_conv(u, self.filter, state["inputs"]), {"inputs": conv_state(u, state["inputs"])}
        tokens, context = u.shape[1], state["inputs"].shape[1]
        new = {"inputs": u, "filter": self._implicit(position, tokens, context)[None]}
        after = {
            name: lax.dynamic_update_slice_in_dim(state[name], z.astype(state[name].dtype), position, axis=1)
            for name, z in new.items()
        }
        lags = position - jnp.arange(context)
        if tokens == 1:
            # A sum, no product of matrices: with taps that are one for all, XLA's CPU backend is far slower.
            taps = jnp.where(lags[:, None] >= 0, after["filter"][:, jnp.maximum(lags, 0)], 0)
            return (taps * after["inputs"]).sum(1, keepdims=True), after
        # What the tokens before leave to the new ones, and the new ones among themselves.
        by_lag = after["filter"][0]
        before = jnp.where(lags[:, None] > 0, state["inputs"], 0)
        late = carried(*(z.astype(jnp.float32).swapaxes(-1, -2) for z in (before, by_lag)))
        late = lax.dynamic_slice_in_dim(late, position, tokens, axis=2).swapaxes(1, 2).astype(u.dtype)
        return late + causal_conv(u, by_lag[:tokens][::-1]), after


def _network_inputs(context: int, horizon: int, bands: int) -> np.ndarray:
    """The time of each lag, and cosines and sines of it.

    In double precision, and the same numbers in training and decoding: the network's sines of sines amplify a
    difference of one rounding a thousandfold.
    """
    time = np.arange(context)[:, None] / horizon
    angles = 2 * np.pi * time * np.linspace(1e-4, bands - 1, bands)
    return np.concatenate([time, np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
