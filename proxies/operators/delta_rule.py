"""What the delta rules have in common; see `genomes.operators.delta_rule`."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from proxies.axes import Array, Channels, Features, Hidden, Position, State
from proxies.kernels.causal_conv import causal_conv, conv_state, naive_causal_conv
from proxies.kernels.delta_rule import corrected_state, delta_rule, naive_delta_rule, unit
from proxies.kernels.gated_state import readout
from proxies.kernels.project import project
from proxies.kernels.rms_norm import rms_norm
from proxies.operators.base import NOTHING, Convolve, OperatorModule, Shared, constant, fan_in, spread, taps


class DeltaRule(OperatorModule):
    """Its state holds the last inputs of the convolutions and one matrix a head.

    Subclasses give the decay and the output gate.
    """

    exempt: ClassVar[frozenset[str]] = frozenset({"q_conv", "k_conv", "v_conv"})

    def setup(self) -> None:
        """Create the weights; rates of decay start from 1 to 16 (arXiv 2405.21060, as Mamba-2's)."""
        self.q, self.k, self.v = (self.weight(name) for name in "qkv")
        self.q_conv, self.k_conv, self.v_conv = (self.weight(f"{name}_conv", taps()) for name in "qkv")
        self.b, self.a_log = self.weight("b"), self.weight("a_log", spread(1.0, 16.0, np.log))
        self.norm = self.weight("norm", constant(1))
        self.out = self.weight("out", fan_in(self.residual_scale))

    def _log_decay(self, x: Hidden) -> Array:
        """`B T H K`, or `B T H 1` where it is one number a head; float32."""
        raise NotImplementedError

    def _gate(self, x: Hidden) -> Channels:
        """What the normed heads are multiplied by."""
        raise NotImplementedError

    def _heads(self, name: str, x: Hidden, state: State | None, convolve: Convolve) -> Array:
        past = () if state is None else (state[f"{name}_conv"],)
        convolved = convolve(project(x, getattr(self, name)), getattr(self, f"{name}_conv"), *past)
        size = self.spec.value_dim if name == "v" else self.spec.key_dim
        return jax.nn.silu(convolved).reshape(*x.shape[:2], -1, size)

    def _unit(self, name: str, x: Hidden, state: State | None, convolve: Convolve) -> Array:
        return unit(self._heads(name, x, state, convolve), self.spec.UNIT_EPS)

    def features(
        self,
        x: Hidden,
        position: Position = 0,
        state: State | None = None,
        convolve: Convolve = causal_conv,
    ) -> Features:
        """Keys `k`, values `v`, `beta` and `log_decay` of each head, as far as they are its own."""
        del position
        features: Features = {}
        if self.k is not None:
            features["k"] = self._unit("k", x, state, convolve)
        if self.v is not None:
            features["v"] = self._heads("v", x, state, convolve)
        if self.b is not None:
            features["beta"] = jax.nn.sigmoid(project(x, self.b))
            features["log_decay"] = self._log_decay(x)
        return features

    def _inputs(
        self, x: Hidden, state: State | None, shared: Features, convolve: Convolve = causal_conv
    ) -> tuple[Array, Array, Array, Array, Array]:
        """`q, k, v, beta, log_decay` with queries and keys repeated to the heads of the state."""
        q = self._unit("q", x, state, convolve) * self.spec.key_dim**-0.5
        features = self.features(x, state=state, convolve=convolve) | shared
        readers = self.spec.state_heads // self.spec.read_heads
        q, k = (jnp.repeat(z, readers, axis=2) for z in (q, features["k"]))
        return q, k, features["v"], features["beta"], features["log_decay"]

    def _merge(self, x: Hidden, o: Array) -> Hidden:
        normed = rms_norm(o, self.norm, self.norm_eps).reshape(*x.shape[:2], -1)
        return project(normed * self._gate(x), self.out)

    def __call__(self, x: Hidden, shared: Features | None = None) -> Hidden:
        """All tokens, in chunks."""
        return self._merge(x, delta_rule(*self._inputs(x, None, shared or {}))[0])

    def extend(
        self, x: Hidden, state: State, position: Position, shared: Shared = NOTHING
    ) -> tuple[Hidden, State]:
        """The next tokens, from the state."""
        del position
        inputs = self._inputs(x, state, shared.features)
        before = {**state, **shared.before}["s"]
        if x.shape[1] > 1:
            o, s = delta_rule(*inputs, before)
        else:
            q, k, v, beta, log_decay = (z[:, 0] for z in inputs)
            own = "s" in state
            s = corrected_state(k, v, beta, log_decay, before) if own else shared.after["s"]
            o = readout(q, s)[:, None].astype(x.dtype)
        after = {"s": s} | {
            name: conv_state(project(x, getattr(self, name[0])), state[name])
            for name in state
            if name.endswith("_conv")
        }
        return self._merge(x, o), {name: after[name] for name in state}

    def reference(self, x: Hidden) -> Hidden:
        """Step by step."""
        return self._merge(x, naive_delta_rule(*self._inputs(x, None, {}, naive_causal_conv))[0])
