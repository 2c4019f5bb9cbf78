"""Random small models of published classes, made by transformers: what ours must compute too.

    python tests/support/parity.py      about 2 minutes; prints the table of largest differences

Needs PyTorch and transformers (`make test-all` installs them).
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from archsearch.interchange.hf import ModelClass, model_class
from genomes import Architecture, accounting
from proxies.model import Model

TOLERANCE = 1e-4
LENGTHS = (1, 2, 7, 33, 70)
VOCABULARY = 32
SEEDS = (0, 1, 2, 3)
"""Seeds of the configurations of a class."""


@dataclass(frozen=True)
class Published:
    """A published model: its files, and its logits for some tokens."""

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    tokens: np.ndarray
    logits: np.ndarray


def load(published: Published) -> tuple[ModelClass, Architecture, dict[str, Any]]:
    """Its class, and what it is in our terms."""
    published_class = model_class(published.config["architectures"][0])
    architecture = published_class.architecture(published.config)
    return published_class, architecture, published_class.read_weights(architecture, published.tensors)


def logits_at_once(architecture: Architecture, params: Any, tokens: np.ndarray) -> np.ndarray:
    """Logits of all tokens by the form for training."""
    forward = jax.jit(lambda p, x: Model(architecture).apply({"params": p}, x, method="forward"))
    return np.asarray(forward(params, tokens))


def logits_in_pieces(
    architecture: Architecture, params: Any, tokens: np.ndarray, prompt: int = 1
) -> np.ndarray:
    """Logits of all tokens: a prompt, then token by token."""
    model, length = Model(architecture), tokens.shape[1]
    params = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def extend(piece, state, position):
        hidden, state = model.apply({"params": params}, piece, state, position, method="extend")
        return model.apply({"params": params}, hidden, method="logits"), state

    state = model.initial_state(tokens.shape[0], length)
    pieces, position = [], 0
    for size in [min(prompt, length), *[1] * (length - prompt)]:
        logits, state = extend(tokens[:, position : position + size], state, jnp.asarray(position))
        pieces.append(np.asarray(logits))
        position += size
    return np.concatenate(pieces, axis=1)


def difference(published: Published, decode: bool) -> float:
    """The largest difference of a logit, of all lengths or of decoding."""
    _, architecture, params = load(published)
    if decode:
        logits = logits_in_pieces(architecture, params, published.tokens, prompt=20)
        return float(np.abs(logits - published.logits).max())
    differences = [
        np.abs(
            logits_at_once(architecture, params, published.tokens[:, :length]) - published.logits[:, :length]
        ).max()
        for length in LENGTHS
        if length <= published.tokens.shape[1]
    ]
    return float(max(differences))


# Configurations

Draw = Callable[[np.random.Generator, int], dict[str, Any]]
"""A configuration of a width, drawn at random."""


def _pick(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _kinds(rng: np.random.Generator, *kinds: str, layers: int = 4) -> list[str]:
    """Layers in a random order, each kind there at least once."""
    words = [*kinds, *(_pick(rng, *kinds) for _ in range(layers - len(kinds)))]
    return [words[i] for i in rng.permutation(layers)]


def _common(rng: np.random.Generator, width: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "vocab_size": VOCABULARY,
        "intermediate_size": _pick(rng, 24, 48),
        "num_attention_heads": 4,
        "num_key_value_heads": _pick(rng, 1, 2, 4),
        "tie_word_embeddings": _pick(rng, True, False),
        "max_position_embeddings": 128,
        "pad_token_id": 0,
    }


def llama(rng: np.random.Generator, width: int) -> dict[str, Any]:
    theta = {"rope_type": "default", "rope_theta": _pick(rng, 10000.0, 500000.0)}
    return _common(rng, width) | {
        "num_hidden_layers": 3,
        "head_dim": _pick(rng, 8, 12),
        "rope_parameters": theta,
        "rms_norm_eps": 1e-5,
    }


def qwen3(rng: np.random.Generator, width: int) -> dict[str, Any]:
    window = {"use_sliding_window": True, "sliding_window": 5, "layer_types": None, "max_window_layers": 1}
    return _common(rng, width) | {"num_hidden_layers": 3, "head_dim": 16} | _pick(rng, window, {})


def lfm2(rng: np.random.Generator, width: int) -> dict[str, Any]:
    return _common(rng, width) | {
        "num_hidden_layers": 4,
        "layer_types": _kinds(rng, "conv", "full_attention"),
        "conv_L_cache": _pick(rng, 3, 4),
        "block_auto_adjust_ff_dim": _pick(rng, True, False),
        "block_multiple_of": 8,
    }


def granite(rng: np.random.Generator, width: int) -> dict[str, Any]:
    return _common(rng, width) | {
        "num_hidden_layers": 4,
        "layer_types": _kinds(rng, "linear_attention", "full_attention"),
        "num_local_experts": 0,
        "shared_intermediate_size": 40,
        "position_embedding_type": _pick(rng, "rope", None),
        "embedding_multiplier": 12,
        "residual_multiplier": 0.22,
        "logits_scaling": 3,
        "attention_multiplier": _pick(rng, 0.125, 0.5),
        "mamba_n_heads": width // 4,
        "mamba_d_head": 8,
        "mamba_n_groups": _pick(rng, 1, 2),
        "mamba_d_state": 16,
        "mamba_chunk_size": 16,
    }


def nemotron_h(rng: np.random.Generator, width: int) -> dict[str, Any]:
    return _common(rng, width) | {
        "layers_block_type": _kinds(rng, "linear_attention", "full_attention", "mlp", layers=6),
        "tie_word_embeddings": False,
        "head_dim": 12,
        "mamba_num_heads": 6,
        "mamba_head_dim": 8,
        "ssm_state_size": 16,
        "n_groups": _pick(rng, 1, 3),
        "conv_kernel": _pick(rng, 3, 4),
        "chunk_size": 16,
        "time_step_min": 1e-9,
    }


def mamba2(rng: np.random.Generator, width: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "vocab_size": VOCABULARY,
        "num_hidden_layers": 3,
        "num_heads": width // 4,
        "head_dim": 8,
        "state_size": _pick(rng, 8, 16),
        "n_groups": _pick(rng, 1, 4),
        "chunk_size": 16,
        "tie_word_embeddings": _pick(rng, True, False),
        "pad_token_id": 0,
    }


def qwen3_5(rng: np.random.Generator, width: int) -> dict[str, Any]:
    # The norm of a head divides by outputs that may be almost 0. With the published eps of 1e-6, float32 then
    # loses up to 9e-4 of a logit against float64, in their form as in ours; what is compared is equations.
    return _common(rng, width) | {
        "num_hidden_layers": 3,
        "layer_types": _kinds(rng, "linear_attention", "full_attention", layers=3),
        "head_dim": _pick(rng, 8, 16),
        "linear_num_key_heads": 2,
        "linear_num_value_heads": _pick(rng, 2, 4),
        "linear_key_head_dim": _pick(rng, 12, 16),
        "linear_value_head_dim": 8,
        "rms_norm_eps": 1e-3,
    }


def qwen3_next(rng: np.random.Generator, width: int) -> dict[str, Any]:
    chosen, normalised = _pick(rng, (1, False), (2, False), (2, True))
    return qwen3_5(rng, width) | {
        "mlp_only_layers": [int(rng.integers(3))],
        "num_experts": 4,
        "num_experts_per_tok": chosen,
        "norm_topk_prob": normalised,
        "moe_intermediate_size": 12,
        "shared_expert_intermediate_size": 8,
    }


def recurrent_gemma(rng: np.random.Generator, width: int) -> dict[str, Any]:
    # Its convolution keeps `hidden_size` channels when decoding, so `lru_width` is that.
    return _common(rng, width) | {
        "num_hidden_layers": 4,
        "block_types": _pick(rng, ["recurrent", "recurrent", "attention"], ["attention", "recurrent"]),
        "attention_window_size": _pick(rng, 5, 40),
        "tie_word_embeddings": True,
    }


DRAWS: dict[str, Draw] = {
    "LlamaForCausalLM": llama,
    "Qwen3ForCausalLM": qwen3,
    "Lfm2ForCausalLM": lfm2,
    "GraniteMoeHybridForCausalLM": granite,
    "NemotronHForCausalLM": nemotron_h,
    "Mamba2ForCausalLM": mamba2,
    "Qwen3NextForCausalLM": qwen3_next,
    "Qwen3_5ForCausalLM": qwen3_5,
    "RecurrentGemmaForCausalLM": recurrent_gemma,
}


def draw(name: str, seed: int, width: int = 32) -> dict[str, Any]:
    """A configuration of class `name`."""
    return DRAWS[name](np.random.default_rng([seed, *name.encode()]), width)


def make(name: str, config: dict[str, Any], seed: int, tokens: int, half: bool = False) -> Published:
    """A model of class `name` with weights all drawn anew, as it saves itself, and its logits.

    `half` rounds the weights to float16, so that they are stored in half the space.
    """
    import torch
    import transformers
    from safetensors.numpy import load_file

    torch.manual_seed(seed)
    made = getattr(transformers, name)
    values = made.config_class(**config)
    values._attn_implementation = "eager"
    model = made(values).float().eval()
    with torch.no_grad():
        for weight in {id(p): p for p in model.parameters()}.values():
            noise = torch.randn_like(weight)
            drawn = 0.3 * noise + weight if weight.ndim == 1 else noise * _fan_in(weight.shape) ** -0.5
            weight.copy_(drawn.half().float() if half else drawn)
        ids = torch.randint(0, VOCABULARY, (2, tokens))
        logits = model(ids, use_cache=False).logits.numpy()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = load_file(Path(folder, "model.safetensors"))
        written = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    return Published(written, tensors, ids.numpy().astype(np.int32), logits)


def logits_of_folder(config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], tokens: np.ndarray) -> Any:
    """Logits by transformers of a folder with this configuration and these tensors, and no others."""
    import torch
    import transformers
    from safetensors.numpy import save_file

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
        save_file(dict(tensors), Path(folder, "model.safetensors"), metadata={"format": "pt"})
        model, info = getattr(transformers, config["architectures"][0]).from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float32, output_loading_info=True
        )
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    with torch.no_grad():
        return model.eval()(torch.from_numpy(tokens).long(), use_cache=False).logits.numpy()


def runs_in_transformers(name: str) -> bool:
    """Whether transformers has a class of this name that gives logits."""
    import torch
    import transformers

    if not hasattr(transformers, name):
        return False
    made = getattr(transformers, name)
    model = made(made.config_class(**_common(np.random.default_rng(0), 32), num_hidden_layers=2)).eval()
    with torch.no_grad():
        return bool(torch.isfinite(model(torch.zeros(1, 5, dtype=torch.long)).logits).all())


def _fan_in(shape: tuple[int, ...]) -> int:
    return int(shape[-1])


def rows() -> Iterator[str]:
    """The table, a row for each class and draw."""
    yield "| class | parameters | all at once | token by token |"
    yield "|---|---|---|---|"
    for name in DRAWS:
        for seed in SEEDS:
            published = make(name, draw(name, seed), seed, tokens=max(LENGTHS))
            count = accounting.parameters(load(published)[1])
            whole, pieces = difference(published, decode=False), difference(published, decode=True)
            yield f"| {name} | {count:,} | {whole:.1e} | {pieces:.1e} |"


if __name__ == "__main__":
    for row in rows():
        sys.stdout.write(row + "\n")
        sys.stdout.flush()
