"""What kernels and their naive twins are compared by."""

import jax
import numpy as np


def close(a, b, rtol=2e-4, atol=2e-5):
    jax.tree.map(lambda u, v: np.testing.assert_allclose(u, v, rtol=rtol, atol=atol), a, b)


def outputs_and_gradients(f, inputs):
    """What `f` gives, and the gradient of a fixed weighting of it."""

    def loss(inputs):
        outputs = f(*inputs)
        directions = [np.cos(np.arange(leaf.size)).reshape(leaf.shape) for leaf in jax.tree.leaves(outputs)]
        return sum(
            (leaf * d).sum() for leaf, d in zip(jax.tree.leaves(outputs), directions, strict=True)
        ), outputs

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(inputs)
