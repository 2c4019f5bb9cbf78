"""Element-wise linear recurrence `h_t = a_t h_{t-1} + b_t` along axis 1."""

import jax
import jax.numpy as jnp
from jax import lax

from proxies.axes import Array


@jax.custom_vjp
def linear_recurrence(a: Array, b: Array, h0: Array) -> Array:
    """All states `h_1 ... h_T` of `h_t = a_t h_{t-1} + b_t`.

    `b` is `B T ...`, `a` the same with 1 where it broadcasts, `h0` is `B ...`. A sequential scan. Its
    gradient is the same recurrence run backwards, so nothing but `h` is kept for it.
    """
    return _forward(a, b, h0)


def naive_linear_recurrence(a: Array, b: Array, h0: Array) -> Array:
    """The same with the gradient that jax derives, one step an iteration."""

    def step(h: Array, t: Array) -> tuple[Array, Array]:
        h = a[:, t] * h + b[:, t]
        return h, h

    return jnp.moveaxis(lax.scan(step, h0, jnp.arange(b.shape[1]))[1], 0, 1)


def _forward(a: Array, b: Array, h0: Array, reverse: bool = False) -> Array:
    """Reads and writes each token in place: with time as the first axis, XLA would copy all of them twice."""

    def step(carry: tuple[Array, Array], t: Array) -> tuple[tuple[Array, Array], None]:
        h, states = carry
        h = a[:, t] * h + b[:, t]
        return (h, states.at[:, t].set(h)), None

    (_, states), _ = lax.scan(step, (h0, jnp.zeros_like(b)), jnp.arange(b.shape[1]), reverse=reverse)
    return states


def _forward_rule(a: Array, b: Array, h0: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    h = _forward(a, b, h0)
    return h, (a, h0, h)


def _backward_rule(saved: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    a, h0, h = saved
    a_next = jnp.concatenate([a[:, 1:], jnp.zeros_like(a[:, :1])], axis=1)
    d_b = _forward(a_next, gradient, jnp.zeros_like(h0), reverse=True)
    before = jnp.concatenate([h0[:, None], h[:, :-1]], axis=1)
    d_a = d_b * before
    broadcast = [axis for axis in range(a.ndim) if a.shape[axis] != d_a.shape[axis]]
    return d_a.sum(broadcast, keepdims=True) if broadcast else d_a, d_b, a[:, 0] * d_b[:, 0]


linear_recurrence.defvjp(_forward_rule, _backward_rule)
