"""Which of llama.cpp's model classes hold an architecture.

llama.cpp implements classes of published models, not blocks: what it runs must have the shape of one of them
(`src/models/*.cpp`, github.com/ggml-org/llama.cpp). Where layers are a mixer and a feed-forward, they
alternate; a size is the same in all blocks of an operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from genomes import Architecture, InvalidInput, Operator

Numbered = tuple[int, Operator]
"""A block and its place among those of the architecture, skips counted."""


class Part(NamedTuple):
    """Blocks that a class can hold: those of an operator whose fields have these values."""

    op: str
    text: str
    fields: Mapping[str, Any] = {}

    def holds(self, block: Operator) -> bool:
        """Whether the block is one of those."""
        return block.name == self.op and all(
            _field(block, name) == value for name, value in self.fields.items()
        )


@dataclass(frozen=True)
class GgufClass:
    """A class of llama.cpp, by its `general.architecture`."""

    name: str
    mixers: tuple[Part, ...]
    feed_forwards: tuple[Part, ...] = ()
    layered: bool = True
    """Whether each layer is a mixer and a feed-forward, or each block stands for itself in any order."""
    needs: tuple[str, ...] = ()
    """Operators of which there must be a block: llama.cpp makes memory of both kinds."""
    scaled: bool = False
    """Whether embedding, residuals and logits may be scaled."""
    inner: Mapping[str, int] = field(default_factory=dict)
    """Operators whose heads must together fill the width so many times."""

    @property
    def text(self) -> str:
        """What it holds, for people."""
        mixers = " or ".join(part.text for part in self.mixers)
        if not self.feed_forwards:
            return f"{self.name} ({mixers})"
        others = " or ".join(part.text for part in self.feed_forwards)
        if self.layered:
            return f"{self.name} ({mixers}, then {others})"
        return f"{self.name} ({mixers} or {others}, in any order)"

    def misfit(self, architecture: Architecture) -> tuple[int, str] | None:
        """How many blocks fit before the first that does not, and why it does not; None where all do."""
        a, blocks = architecture, used(architecture)
        first: dict[str, Operator] = {}
        for place, (index, block) in enumerate(blocks):
            where = f"blocks[{index}] ({block.name})"
            parts = self._at(place)
            if block.shares:
                return place, f"{where} shares with another block"
            if not any(part.holds(block) for part in parts):
                return place, f"{where} is not {' or '.join(part.text for part in parts)}"
            if (alike := first.setdefault(block.name, block)) != block:
                return place, f"{where} differs in {_difference(alike, block)} from the first {block.name}"
            if block.name in self.inner and _inner(block) != (wanted := self.inner[block.name] * a.width):
                return place, f"{where} has heads of together {_inner(block)}, not {wanted}"
        if self.layered and len(blocks) % 2:
            return len(blocks), f"the last layer of {len(blocks)} blocks has no feed-forward"
        if missing := [op for op in self.needs if op not in first]:
            return len(blocks), f"no block is {missing[0]}"
        scales = ("embedding_scale", "residual_scale", "logit_scale")
        for name in ("logit_softcap", *(() if self.scaled else scales)):
            if (value := getattr(a, name)) not in (None, 1.0):
                return len(blocks), f"{name} = {value} has no counterpart"
        return None

    def _at(self, place: int) -> tuple[Part, ...]:
        if not self.layered:
            return self.mixers + self.feed_forwards
        return self.feed_forwards if place % 2 else self.mixers


def used(architecture: Architecture) -> Sequence[Numbered]:
    """The blocks that do something."""
    return [(index, block) for index, block in enumerate(architecture.blocks) if block.kind != "skip"]


def gguf_class(architecture: Architecture) -> GgufClass:
    """The class that holds an architecture.

    Raises `InvalidInput` naming the first block that does not fit the nearest class, and what llama.cpp runs.
    """
    misfits = [(found, c) for c in GGUF_CLASSES if (found := c.misfit(architecture))]
    if len(misfits) < len(GGUF_CLASSES):
        unfit = {c.name for _, c in misfits}
        return next(c for c in GGUF_CLASSES if c.name not in unfit)
    (_, why), nearest = max(misfits, key=lambda misfit: misfit[0][0])
    raise InvalidInput(
        f"llama.cpp does not run this architecture: {why}, in its nearest class {nearest.name}; "
        f"it runs {', '.join(c.text for c in GGUF_CLASSES)}"
    )


def _field(block: Operator, name: str) -> Any:
    """A field, or what several fields say together."""
    match name:
        case "positions":
            return getattr(block, "rope_theta") is not None  # noqa: B009
        case "rotary_dim":
            rotary = getattr(block, name)
            return None if rotary == getattr(block, "head_dim") else rotary  # noqa: B009
    return getattr(block, name)


def _inner(block: Operator) -> int:
    return int(getattr(block, "heads") * getattr(block, "head_dim"))  # noqa: B009


def _difference(one: Operator, other: Operator) -> str:
    before, after = one.to_dict(), other.to_dict()
    return ", ".join(f"{name} = {after[name]!r}" for name in after if after[name] != before[name])


_PLAIN = {"window": None, "gated": False, "conv": None, "differential": False, "out_bias": False}
_ROTATED = {**_PLAIN, "positions": True, "rotary_dim": None, "score_scale": None}
_ATTENTION = Part("attention", "attention with full rotary positions", {**_ROTATED, "qk_norm": False})
_QK_NORM = Part(
    "attention", "attention with full rotary positions and QK norm", {**_ROTATED, "qk_norm": True}
)
_NO_POSITIONS = Part(
    "attention", "attention without positions", {**_PLAIN, "positions": False, "qk_norm": False}
)
_SHORT_CONV = Part("short_conv", "short_conv")
_MAMBA2 = Part("mamba2", "mamba2")
_SWIGLU = Part("swiglu", "swiglu")
_RELU2 = Part("mlp", "mlp(relu2)", {"activation": "relu2", "bias": False})

GGUF_CLASSES = (
    GgufClass("llama", (_ATTENTION,), (_SWIGLU,)),
    GgufClass("qwen3", (_QK_NORM,), (_SWIGLU,)),
    GgufClass(
        "lfm2", (_SHORT_CONV, _QK_NORM), (_SWIGLU,), needs=("short_conv", "attention"), inner={"attention": 1}
    ),
    GgufClass(
        "granitehybrid",
        (_MAMBA2, _NO_POSITIONS),
        (_SWIGLU,),
        needs=("mamba2", "attention"),
        scaled=True,
        inner={"mamba2": 2},
    ),
    GgufClass("mamba2", (_MAMBA2,), layered=False, inner={"mamba2": 2}),
    GgufClass(
        "nemotron_h",
        (_MAMBA2, _NO_POSITIONS),
        (_RELU2,),
        layered=False,
        needs=("mamba2", "attention", "mlp"),
    ),
)
"""In the order in which they are tried."""
