"""Traits: what sets a runtime apart in its prices, whatever was measured with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """How a runtime runs models, as far as prices depend on it."""

    rooflines: bool
    """Whether it runs operators that were not measured, so that rooflines price them."""
    last_token_only: frozenset[str]
    """Operators that run for the last token of a prompt alone where they end the model."""
    head_stays: bool
    """Whether the head keeps its working memory while blocks run, beside the hungriest of them; else working
    memory is that of the two hungriest operators, the head being one of them."""
    platform_variable: str | None = None
    """Environment variable that chooses the platform, where there are several."""


JAX = Traits(
    rooflines=True,
    last_token_only=frozenset(),
    head_stays=False,  # XLA lays out the buffers of unlike neighbours side by side
    platform_variable="JAX_PLATFORMS",
)
LLAMA_CPP = Traits(rooflines=False, last_token_only=frozenset({"swiglu"}), head_stays=True)
OTHER = Traits(rooflines=False, last_token_only=frozenset(), head_stays=True)
"""Traits of onnxruntime, and of a runtime that is not known here."""

_BEGINNINGS = {"jax": JAX, "llama.cpp": LLAMA_CPP}


def traits_of(runtime: str | None) -> Traits:
    """Traits of a runtime as `provenance.runtime` names it; jax for a device that was not measured."""
    if runtime is None:
        return JAX
    return next((traits for name, traits in _BEGINNINGS.items() if runtime.startswith(name)), OTHER)
