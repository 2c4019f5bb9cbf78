"""Projection of each token by one matrix."""

from proxies.axes import Array, Float


def project(x: Float[Array, "*lead C"], weight: Float[Array, "C E"]) -> Float[Array, "*lead E"]:
    """`x @ weight` with all tokens as the rows of one matrix.

    The gradient of a product with three axes makes XLA's CPU backend transpose large operands; with two it
    does not (`benchmarks/lowerings.py` measures the difference).
    """
    return (x.reshape(-1, x.shape[-1]) @ weight).reshape(*x.shape[:-1], weight.shape[-1])
