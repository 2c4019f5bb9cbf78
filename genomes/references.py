"""Reference layouts and published models by name.

A reference layout is the repeating motif of a published family. Published models are architecture files
with every size of the released configuration, exact to their parameter count.
"""

import json
from dataclasses import dataclass, replace
from importlib.resources import files

from genomes.architecture import Architecture, read_architecture
from genomes.errors import unknown
from genomes.layout import Block, Layout, parse_layout

_MODELS = files("genomes") / "models"


@dataclass(frozen=True)
class Reference:
    """A family's repeating motif and where it was published."""

    name: str
    motif: str
    source: str

    def layout(self, blocks: int) -> Layout:
        """The motif cycled to `blocks` blocks, each copy sharing within itself; whole where fewer are asked,
        so it stays what it is."""
        motif = parse_layout(self.motif).blocks
        count, length = max(blocks, len(motif)), len(motif)
        return Layout(tuple(_later(motif[i % length], i // length * length) for i in range(count)))


def _later(block: Block, by: int) -> Block:
    """The block in a copy of its layout that stands `by` blocks later."""
    shares = tuple(share.model_copy(update={"donor": share.donor + by}) for share in block.shares)
    return replace(block, shares=shares)


_ALL = (
    Reference(
        "transformer++",
        "attention swiglu(8/3)",
        "Multi-head attention, rotary positions and SwiGLU of width 8/3 (arXiv 2302.13971; the name and the "
        "role of baseline as in arXiv 2312.00752)",
    ),
    Reference(
        "llama",
        "attention(kv=1/4) swiglu(4)",
        "Llama 3.2 1B: grouped-query attention and SwiGLU (arXiv 2407.21783)",
    ),
    Reference("qwen3", "attention(kv=1/2,qk_norm=yes) swiglu(3)", "Qwen3 0.6B and 1.7B (arXiv 2505.09388)"),
    Reference(
        "mobilellm",
        "2x[attention(kv=1/4) swiglu(8/3)]",
        "MobileLLM-LS: each layer runs twice with the same weights (arXiv 2402.14905, section 3.4); the "
        "key/value ratio of its 1B model, where the smaller ones have a third, so that 4 heads divide",
    ),
    Reference(
        "lfm2",
        "short_conv(3) swiglu(4) short_conv(3) swiglu(4) attention(kv=1/4,qk_norm=yes) swiglu(4)",
        "LFM2 1.2B: two gated short convolutions to one grouped-query attention (arXiv 2511.23404)",
    ),
    Reference(
        "hyena-edge",
        "hyena_y(7) swiglu(8/3) hyena_y(7) swiglu(8/3) attention(kv=1/4) swiglu(8/3)",
        "Hyena Edge: Hyena-Y in place of two thirds of the grouped-query attention of a Transformer++ "
        "(Liquid AI, 'Convolutional multi-hybrids for edge devices', 2025, found with STAR, arXiv "
        "2411.17800); the lengths and ratios are not published, these are ours",
    ),
    Reference(
        "striped-hyena",
        "hyena(horizon=1/4) swiglu(7/2) attention(kv=1/4) swiglu(7/2)",
        "StripedHyena-7B: Hyena and grouped-query attention in turn (Together AI, 2023; configuration in "
        "github.com/togethercomputer/stripedhyena); Hyena with the implicit filter of arXiv 2302.10866, "
        "whose time spans a quarter of the context here",
    ),
    Reference(
        "mamba2-hybrid",
        "mamba2 swiglu(4) mamba2 swiglu(4) mamba2 swiglu(4) attention(kv=1/4,rope=no) swiglu(4)",
        "Mamba-2 layers with a few of attention and MLPs, no positions (arXiv 2405.21060, section 9.2.3; "
        "2406.07887); a quarter of the mixers is attention, more than published, so that 8 blocks hold one",
    ),
    Reference(
        "nemotron-h",
        " ".join(
            {"M": "mamba2", "*": "attention(kv=1/4,rope=no)", "-": "mlp(21/4,relu2=yes)"}[letter]
            for letter in "M-M-M-M*-M-M-"
        ),
        "Nemotron-H 8B: 24 Mamba-2, 4 attention and 24 squared-ReLU layers of one mixer each (arXiv "
        "2504.03624); a quarter of its 52 layers, with their proportions, in its order around an attention",
    ),
    Reference(
        "griffin",
        "rg_lru geglu(3) rg_lru geglu(3) attention(kv=1/4,window=1/4,rotary=1/2) geglu(3)",
        "Griffin: two recurrent blocks to one local attention (arXiv 2402.19427), positions on half of each "
        "head as in RecurrentGemma (2404.07839); its window of 1024 is a quarter of a context of 4096, so "
        "that it is local at proxy lengths too, its single key/value head made a ratio",
    ),
    Reference(
        "gla",
        "gated_linear_attention swiglu(8/3)",
        "Gated linear attention without softmax attention (arXiv 2312.06635)",
    ),
    Reference(
        "qwen3-next",
        "gated_deltanet(expand=2,key=1/2) moe(5/4,shared=1/4) "
        "gated_deltanet(expand=2,key=1/2) moe(5/4,shared=1/4) "
        "gated_deltanet(expand=2,key=1/2) moe(5/4,shared=1/4) "
        "attention(kv=1/4,qk_norm=yes,rotary=1/4,gated=yes) moe(5/4,shared=1/4)",
        "Qwen3-Next 80B-A3B: three gated DeltaNets (arXiv 2412.06464) to one gated attention (arXiv "
        "2505.06708; its configuration in transformers); 8 experts of which 2 work stand for its 512 and 10, "
        "five times as wide, and 1/4 of the key/value heads for 1/8",
    ),
    Reference(
        "kimi-linear",
        "kda moe(7/4,shared=1/2) kda moe(7/4,shared=1/2) kda moe(7/4,shared=1/2) mla(rope=0) "
        "moe(7/4,shared=1/2)",
        "Kimi Linear 48B-A3B: three Kimi delta attentions to one latent attention without positions (arXiv "
        "2510.26692; its configuration in transformers); 8 experts of which 2 work stand for its 256 and 8, "
        "wider, so that about as much of them works; the latent vector is a quarter of the width",
    ),
)

REFERENCES: dict[str, Reference] = {reference.name: reference for reference in _ALL}


def reference(name: str) -> Reference:
    """The reference layout of that name. Raises `InvalidInput` listing the known ones."""
    if name not in REFERENCES:
        raise unknown("reference layout", name, REFERENCES)
    return REFERENCES[name]


def model_names() -> list[str]:
    """Names of the published models."""
    return sorted(entry.name.removesuffix(".arch.json") for entry in _MODELS.iterdir())


def model(name: str) -> Architecture:
    """A published model's architecture. Raises `InvalidInput` listing the known ones."""
    if name not in model_names():
        raise unknown("model", name, model_names())
    entry = _MODELS / f"{name}.arch.json"
    return read_architecture(json.loads(entry.read_text(encoding="utf-8")), entry.name)
