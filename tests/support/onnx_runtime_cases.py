"""Small architectures of every operator that onnxruntime runs, and a profile as its rows would give it."""

from typing import Any

import numpy as np

from genomes import Architecture, read_architecture
from hardware_profiles import Device
from hardware_profiles.measuring.grid import Grid
from hardware_profiles.runtimes.table import ONNXRUNTIME
from support import made_up

ATTENTION: dict[str, Any] = {"op": "attention", "heads": 4, "kv_heads": 2, "head_dim": 16}
SWIGLU: dict[str, Any] = {"op": "swiglu", "hidden": 160}
BLOCKS: dict[str, dict[str, Any]] = {
    "attention": ATTENTION,
    "attention of every field": ATTENTION
    | {"qk_norm": True, "gated": True, "conv": 3, "out_bias": True, "score_scale": 0.3},
    "attention with few rotary channels": ATTENTION | {"heads": 2, "head_dim": 32, "rotary_dim": 16},
    "attention without positions": {"op": "attention", "heads": 8, "rope_theta": None},
    "attention over a window": ATTENTION | {"window": 6},
    "attention over a long window": ATTENTION | {"window": 40},
    "attention over itself": ATTENTION | {"window": 1},
    "short_conv": {"op": "short_conv", "kernel": 4},
    "hyena": {"op": "hyena", "filter_length": 40},
    "hyena_x": {"op": "hyena_x"},
    "hyena_y": {"op": "hyena_y", "kernel": 7},
    "linear_attention": {"op": "linear_attention", "heads": 3, "key_dim": 5, "value_dim": 7},
    "gated_linear_attention": {"op": "gated_linear_attention", "heads": 4, "key_dim": 8, "value_dim": 16},
    "gated_deltanet": {
        "op": "gated_deltanet",
        "key_heads": 2,
        "value_heads": 4,
        "key_dim": 16,
        "value_dim": 8,
    },
    "gated_deltanet of wide heads": {
        "op": "gated_deltanet",
        "key_heads": 2,
        "value_heads": 2,
        "key_dim": 64,
        "value_dim": 64,
    },
    "kda": {"op": "kda", "heads": 4, "key_dim": 8, "value_dim": 16},
    "mamba2": {"op": "mamba2", "heads": 8, "head_dim": 16, "state_dim": 24, "groups": 2},
    "swiglu": SWIGLU,
    "geglu": {"op": "geglu", "hidden": 160, "bias": True},
    "mlp": {"op": "mlp", "hidden": 160, "activation": "gelu", "bias": True},
    "mlp of squares": {"op": "mlp", "hidden": 160, "activation": "relu2"},
}
SCALES = {"embedding_scale": 2.0, "residual_scale": 0.5, "logit_scale": 0.25, "logit_softcap": 3.0}
TINY = Grid(widths=(64,), contexts=(16,), growing_contexts=(16, 32), types=("float32/int8/float16",))
ORIGIN = {"runtime": "onnxruntime-cpu", "version": "1", "threads": 2}


def architecture(*blocks: dict[str, Any], tied: bool = True, **fields: Any) -> Architecture:
    file = {"format": "archsearch/architecture", "version": 1, "width": 64, "vocab_size": 96}
    return read_architecture({**file, "tied_embeddings": tied, "blocks": list(blocks), **fields})


def of_block(name: str, tied: bool = True, **fields: Any) -> Architecture:
    """Two of a block, with a skip and a SwiGLU in between."""
    between: list[dict[str, Any]] = [{"op": "skip"}, {"op": "swiglu", "hidden": 32}]
    return architecture(BLOCKS[name], *between, BLOCKS[name], tied=tied, **fields)


def weights(architecture: Architecture) -> Any:
    """Weights of our model, none of them a fresh one's."""
    import jax

    from proxies.model import Model

    rng = np.random.default_rng(0)
    params = Model(architecture).init(jax.random.key(0), method="create")["params"]
    params = jax.tree.map(
        lambda w: np.asarray(w) * (1 + 0.3 * rng.standard_normal(w.shape, np.float32)), params
    )
    return {**params, "embedding": 20 * params["embedding"]}


def logits(architecture: Architecture, params: Any, tokens: np.ndarray) -> np.ndarray:
    """Logits of our model, `T V`."""
    from proxies.model import Model

    batch = Model(architecture).apply({"params": params}, tokens[None], method="forward")
    return np.asarray(batch)[0]


def device() -> Device:
    """A profile with made-up times."""
    return made_up.profile(ONNXRUNTIME, TINY, ORIGIN)
