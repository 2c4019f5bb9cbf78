"""Traits: what sets a runtime apart in its prices, whatever was measured with it."""

from dataclasses import dataclass, replace

from hardware_profiles.workload import HeadDtype, Workload


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
    int4_head: HeadDtype | None = None
    """What the table of the logits is stored in where weights are int4; None: in int4 too."""

    def shipped(self, workload: Workload) -> Workload:
        """The workload with the table of the logits stored as the runtime's models come."""
        if self.int4_head is None or workload.weight_dtype != "int4":
            return workload
        return replace(workload, head=self.int4_head)


JAX = Traits(
    rooflines=True,
    last_token_only=frozenset(),
    head_stays=False,  # XLA lays out the buffers of unlike neighbours side by side
    platform_variable="JAX_PLATFORMS",
)
LLAMA_CPP = Traits(
    rooflines=False,
    last_token_only=frozenset({"swiglu"}),
    head_stays=True,
    # `llama_tensor_get_type_impl` of its `src/llama-quant.cpp`: `output.weight`, or `token_embd.weight` where
    # it is both, of a model in Q4_0. An embedding of its own stays Q4_0; a model in Q8_0 has one type.
    int4_head="q6_k",
)
OTHER = Traits(rooflines=False, last_token_only=frozenset(), head_stays=True)
"""Traits of onnxruntime, and of a runtime that is not known here."""
UNMEASURED = replace(JAX, int4_head=LLAMA_CPP.int4_head)
"""Traits of a device that was not measured: priced by rooflines, int4 being what GGUF files in Q4_0 hold."""

_BEGINNINGS = {"jax": JAX, "llama.cpp": LLAMA_CPP}


def traits_of(runtime: str | None) -> Traits:
    """Traits of a runtime as `provenance.runtime` names it; None for a device that was not measured."""
    if runtime is None:
        return UNMEASURED
    return next((traits for name, traits in _BEGINNINGS.items() if runtime.startswith(name)), OTHER)
