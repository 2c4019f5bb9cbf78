"""Classes of published models: their `config.json` as an architecture, their tensors as our weights and back.

    published = model_class(config["architectures"][0])
    architecture = published.architecture(config)
    params = published.read_weights(architecture, tensors)

The equations are those of transformers, which the tests compare with to 1e-4 of a logit. The shapes of the
classes stand in `genomes.published_classes`.
"""

from archsearch.interchange.hf.granite_moe_hybrid import GRANITE_MOE_HYBRID
from archsearch.interchange.hf.lfm2 import LFM2
from archsearch.interchange.hf.llama import LLAMA, QWEN3
from archsearch.interchange.hf.mamba2 import MAMBA2
from archsearch.interchange.hf.nemotron_h import NEMOTRON_H
from archsearch.interchange.hf.qwen3_next import QWEN3_5, QWEN3_NEXT
from archsearch.interchange.hf.recurrent_gemma import RECURRENT_GEMMA
from archsearch.interchange.hf.table import ModelClass
from genomes import PUBLISHED_CLASSES, InvalidInput

MODEL_CLASSES: dict[str, ModelClass] = {
    each.name: each
    for each in (
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
"""The classes of the table whose weights are read and written, by their name."""


def model_class(name: str) -> ModelClass:
    """The class that `architectures[0]` of a `config.json` names. Raises `InvalidInput` listing the known."""
    try:
        return MODEL_CLASSES[name]
    except (KeyError, TypeError):
        known = ", ".join(MODEL_CLASSES)
    if name in {each.name for each in PUBLISHED_CLASSES}:
        raise InvalidInput(f"archsearch does not read or write {name} yet; known: {known}")
    raise InvalidInput(f"model class {name!r} is not known; known: {known}")


__all__ = ["MODEL_CLASSES", "ModelClass", "model_class"]
