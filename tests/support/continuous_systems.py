"""Linear systems in continuous time, and their steps by matrix exponentials in float64."""

import numpy as np
from scipy.linalg import expm


def step_of(a: np.ndarray, b: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """What multiplies state and input when the input is held for `dt`: the exponential of both together."""
    size, inputs = b.shape
    together = np.zeros((size + inputs, size + inputs), np.result_type(a, b))
    together[:size] = np.concatenate([a, b], axis=1) * dt
    step = expm(together)
    return step[:size, :size], step[:size, size:]


def dense(parameters: dict, pair: int | slice = slice(None)) -> np.ndarray:
    """A real block `[[re, -im], [im, re]]` of each pair, on the diagonal."""
    a = -np.exp(np.float64(parameters["log_a_real"][pair])) + 1j * np.float64(parameters["a_imag"][pair])
    a = np.diag(np.atleast_1d(a))
    return np.block([[a.real, -a.imag], [a.imag, a.real]])
