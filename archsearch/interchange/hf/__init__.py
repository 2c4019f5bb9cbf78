"""Classes of published models: their `config.json` as an architecture, their tensors as our weights and back.

    found = model_class(config["architectures"][0])
    architecture = found.architecture(config)
    params = found.read_weights(architecture, tensors)

The equations are those of transformers, which the tests compare with to 1e-4 of a logit.
"""

from archsearch.interchange.hf.granite_moe_hybrid import GRANITE_MOE_HYBRID
from archsearch.interchange.hf.lfm2 import LFM2
from archsearch.interchange.hf.llama import LLAMA, QWEN3
from archsearch.interchange.hf.mamba2 import MAMBA2
from archsearch.interchange.hf.nemotron_h import NEMOTRON_H
from archsearch.interchange.hf.qwen3_next import QWEN3_5, QWEN3_NEXT
from archsearch.interchange.hf.recurrent_gemma import RECURRENT_GEMMA
from archsearch.interchange.hf.table import ModelClass
from genomes import InvalidInput

MODEL_CLASSES: dict[str, ModelClass] = {
    found.name: found
    for found in (
        LLAMA,
        QWEN3,
        LFM2,
        GRANITE_MOE_HYBRID,
        NEMOTRON_H,
        MAMBA2,
        QWEN3_NEXT,
        QWEN3_5,
        RECURRENT_GEMMA,
    )
}


def model_class(name: str) -> ModelClass:
    """The class that `architectures[0]` of a `config.json` names. Raises `InvalidInput` listing the known."""
    try:
        return MODEL_CLASSES[name]
    except (KeyError, TypeError):
        raise InvalidInput(f"model class {name!r} is not known; known: {', '.join(MODEL_CLASSES)}") from None


__all__ = ["MODEL_CLASSES", "ModelClass", "model_class"]
