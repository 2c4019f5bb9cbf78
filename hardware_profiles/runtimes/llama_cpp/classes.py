"""Which of the published classes that archsearch writes as GGUF holds an architecture.

llama.cpp implements classes of published models, not blocks: what it runs must have the shape of one of them.
`genomes.published_classes` is the table of the shapes; which of them `tensors` and `gguf` write stands there
too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from genomes import PUBLISHED_CLASSES, Architecture, InvalidInput, Operator, PublishedClass
from genomes.class_shapes import block_facts

Numbered = tuple[int, Operator]
"""A block and its place among those of the architecture, skips counted."""


class GgufClass(NamedTuple):
    """A class that archsearch writes, as GGUF files name it."""

    name: str
    """Value of `general.architecture`."""
    layered: bool
    """Whether each layer is a mixer and a feed-forward, or each block stands for itself in any order."""
    scaled: bool
    """Whether embedding, residuals and logits may be scaled."""


class Misfit(NamedTuple):
    """Why a class does not hold an architecture."""

    place: int
    """Number of blocks that fit before the first that does not."""
    why: str
    published: PublishedClass


def used(architecture: Architecture) -> Sequence[Numbered]:
    """The blocks that do something."""
    return [(index, block) for index, block in enumerate(architecture.blocks) if block.kind != "skip"]


def gguf_class(architecture: Architecture) -> GgufClass:
    """The class that holds an architecture and that archsearch writes.

    Raises `InvalidInput` where archsearch does not write the one that holds it, or none does: then it names
    the first block that does not fit the nearest class.
    """
    loaded = [each for each in PUBLISHED_CLASSES if each.loads_in(["llama.cpp"])]
    misfits = [_misfit(each, architecture) for each in loaded]
    holding = [each for each, misfit in zip(loaded, misfits, strict=True) if misfit is None]
    for each in holding:
        if each.written_for("llama.cpp"):
            return GgufClass(str(each.gguf), each.shape.layered, each.scaled)
    written = ", ".join(_text(each) for each in loaded if each.written_for("llama.cpp"))
    if holding:
        raise InvalidInput(f"archsearch does not write {holding[0].name} as GGUF yet; it writes {written}")
    _, why, nearest = max((m for m in misfits if m), key=lambda misfit: misfit.place)
    raise InvalidInput(
        f"archsearch knows no class of llama.cpp that holds this architecture: {why}, in its nearest class "
        f"{nearest.gguf}; archsearch writes {written}"
    )


def _misfit(published: PublishedClass, architecture: Architecture) -> Misfit | None:
    a, blocks = architecture, used(architecture)
    shape = published.shape_in(["llama.cpp"])
    facts = [block_facts(block, a.width) for _, block in blocks]
    if misfits := shape.misfits(facts):
        place = min(misfits)
        index, block = blocks[place]
        return Misfit(place, f"blocks[{index}] ({block.name}): {misfits[place]}", published)
    if missing := shape.missing(facts):
        return Misfit(len(blocks), f"no block is {missing[0]}", published)
    scales = ("embedding_scale", "residual_scale", "logit_scale")
    for name in ("logit_softcap", *(() if published.scaled else scales)):
        if (value := getattr(a, name)) not in (None, 1.0):
            return Misfit(len(blocks), f"{name} = {value} has no counterpart", published)
    return None


def _text(published: PublishedClass) -> str:
    return f"{published.gguf} ({published.shape_in(['llama.cpp']).text})"
