"""Reference layouts and published models by name.

A reference layout is the repeating motif of a published family. Published models are architecture files
with every size of the released configuration, exact to their parameter count.
"""

import json
from dataclasses import dataclass
from importlib.resources import files

from genomes.architecture import Architecture, read_architecture
from genomes.errors import InvalidInput
from genomes.layout import Layout, parse_layout

_MODELS = files("genomes") / "models"


@dataclass(frozen=True)
class Reference:
    """A family's repeating motif and where it was published."""

    name: str
    motif: str
    source: str

    def layout(self, blocks: int) -> Layout:
        """The motif cycled to `blocks` blocks; whole where fewer are asked, so it stays what it is."""
        motif = parse_layout(self.motif).blocks
        count = max(blocks, len(motif))
        return Layout(tuple(motif[i % len(motif)] for i in range(count)))


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
        "lfm2",
        "short_conv(3) swiglu(4) short_conv(3) swiglu(4) attention(kv=1/4,qk_norm=yes) swiglu(4)",
        "LFM2 1.2B: two gated short convolutions to one grouped-query attention (arXiv 2511.23404)",
    ),
    Reference(
        "mamba2-hybrid",
        "mamba2 swiglu(4) mamba2 swiglu(4) mamba2 swiglu(4) attention(kv=1/4,rope=no) swiglu(4)",
        "Mamba-2 layers with a few of attention and MLPs, no positions (arXiv 2405.21060, section 9.2.3; "
        "2406.07887); a quarter of the mixers is attention, more than published, so that 8 blocks hold one",
    ),
    Reference(
        "griffin",
        "rg_lru swiglu(3) rg_lru swiglu(3) attention(kv=1/4,window=32) swiglu(3)",
        "Griffin: two recurrent blocks to one local attention (arXiv 2402.19427); its window of 1024 is "
        "shortened to 32 so that it is local at proxy lengths too, its single key/value head made a ratio",
    ),
    Reference(
        "gla",
        "gated_linear_attention swiglu(8/3)",
        "Gated linear attention without softmax attention (arXiv 2312.06635)",
    ),
)

REFERENCES: dict[str, Reference] = {reference.name: reference for reference in _ALL}


def reference(name: str) -> Reference:
    """The reference layout of that name. Raises `InvalidInput` listing the known ones."""
    if name not in REFERENCES:
        raise InvalidInput(f"unknown reference layout {name!r}; known: {', '.join(REFERENCES)}")
    return REFERENCES[name]


def model_names() -> list[str]:
    """Names of the published models."""
    return sorted(entry.name.removesuffix(".arch.json") for entry in _MODELS.iterdir())


def model(name: str) -> Architecture:
    """A published model's architecture. Raises `InvalidInput` listing the known ones."""
    if name not in model_names():
        raise InvalidInput(f"unknown model {name!r}; known: {', '.join(model_names())}")
    entry = _MODELS / f"{name}.arch.json"
    return read_architecture(json.loads(entry.read_text(encoding="utf-8")), entry.name)
