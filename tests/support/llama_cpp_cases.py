"""Small architectures of every class of llama.cpp, and a profile as its rows would give it."""

from math import prod

from genomes import Architecture, read_architecture
from hardware_profiles import Device
from hardware_profiles.measuring.grid import Grid
from hardware_profiles.runtimes.table import LLAMA_CPP
from support import made_up

ATTENTION = {"op": "attention", "heads": 4, "kv_heads": 2, "head_dim": 32}
QK_NORM = ATTENTION | {"qk_norm": True}
PLACELESS = ATTENTION | {"rope_theta": None}
SWIGLU = {"op": "swiglu", "hidden": 192}
SHORT_CONV = {"op": "short_conv", "kernel": 3}
MAMBA2 = {"op": "mamba2", "heads": 8, "head_dim": 32, "state_dim": 16, "groups": 2}
RELU2 = {"op": "mlp", "hidden": 192, "activation": "relu2"}
SKIP = {"op": "skip"}
SCALES = {"embedding_scale": 2.0, "residual_scale": 0.5, "logit_scale": 0.25}

CLASSES = {
    "llama": [ATTENTION, SWIGLU, SKIP, ATTENTION, SWIGLU],
    "qwen3": [QK_NORM, SWIGLU, QK_NORM, SWIGLU],
    "lfm2": [SHORT_CONV, SWIGLU, QK_NORM, SWIGLU, SHORT_CONV, SWIGLU],
    "granitehybrid": [MAMBA2, SWIGLU, PLACELESS, SWIGLU],
    "mamba2": [MAMBA2, MAMBA2],
    "nemotron_h": [MAMBA2, RELU2, PLACELESS, MAMBA2, RELU2],
}
TINY = Grid(widths=(64,), contexts=(16,), growing_contexts=(16, 32), types=("float32/int8/float16",))
ORIGIN = {"runtime": "llama.cpp-cpu", "version": "b1", "threads": 2}


def architecture(*blocks: dict[str, object], tied: bool = True, **fields: object) -> Architecture:
    file = {"format": "archsearch/architecture", "version": 1, "width": 128, "vocab_size": 96}
    return read_architecture({**file, "tied_embeddings": tied, "blocks": list(blocks), **fields})


def of_class(name: str, tied: bool = True) -> Architecture:
    return architecture(*CLASSES[name], tied=tied, **(SCALES if name == "granitehybrid" else {}))


def elements(shapes: list[tuple[int, ...]]) -> int:
    return sum(map(prod, shapes))


def device() -> Device:
    """A profile with made-up times."""
    return made_up.profile(LLAMA_CPP, TINY, ORIGIN)
